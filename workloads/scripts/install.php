<?php
/*
 * Sets WordPress up before anybody can reach it: otherwise its first visitor would, and choose the
 * password. Later starts bring the database up to the version of the files.
 *
 * Source: wp_install() and wp_upgrade() in WordPress's wp-admin/includes/upgrade.php.
 */

const SECONDS_FOR_MYSQL = 300;

$finished = false;
// WordPress ends with 0 whatever it dies of.
register_shutdown_function(function () use (&$finished) {
    if (!$finished) {
        fwrite(STDERR, "install: WordPress ended before it was set up\n");
        exit(1);
    }
});

wait_for_mysql();
define('WP_INSTALLING', true);
require '/var/www/html/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

if (is_blog_installed()) {
    wp_upgrade();
    echo "install: the site is there, its database at version ", get_option('db_version'), "\n";
} else {
    $password = rtrim(file_get_contents(getenv('ADMIN_PASSWORD_FILE')), "\n");
    wp_install(
        getenv('SITE_TITLE'), getenv('ADMIN_USER'), getenv('ADMIN_EMAIL'), true, '', $password
    );
    echo "install: the site is set up at ", get_option('siteurl'), "\n";
}
$finished = true;

/** In place of WordPress's own: nobody needs a letter about what they declared. */
function wp_new_blog_notification()
{
}

function wait_for_mysql()
{
    $until = time() + SECONDS_FOR_MYSQL;
    while (($why = why_mysql_does_not_answer()) !== null) {
        if (time() >= $until) {
            fwrite(STDERR, "install: no MySQL within " . SECONDS_FOR_MYSQL . " s: $why\n");
            exit(1);
        }
        sleep(1);
    }
}

function why_mysql_does_not_answer()
{
    try {
        $password = rtrim(file_get_contents(getenv('WORDPRESS_DB_PASSWORD_FILE')), "\r\n");
        $host = getenv('WORDPRESS_DB_HOST');
        $mysql = new mysqli($host, getenv('WORDPRESS_DB_USER'), $password, getenv('WORDPRESS_DB_NAME'));
        $mysql->close();
        return null;
    } catch (mysqli_sql_exception $error) {
        return $error->getMessage();
    }
}
