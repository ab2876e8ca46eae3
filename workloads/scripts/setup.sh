#!/bin/sh
# What runs in WordPress's image before the site does: its files into the folder that is served, and
# the site set up.
#
# The image's own entrypoint copies them by a tar that fails in a folder which is its group's and not
# its user's, as all volumes are: https://github.com/docker-library/wordpress/issues/636. With the
# files there it makes wp-config.php, and goes on with what it is given.
set -eu

FROM=/usr/src/wordpress
TO=/var/www/html

# Once: what is on the volume may be newer by now, changed, or taken away on purpose.
keep() {
    [ -e "$TO/$1" ] && return
    rm -rf "$TO/$1.new"
    cp -R "$FROM/$1" "$TO/$1.new"
    mv "$TO/$1.new" "$TO/$1"
}

for path in "$FROM"/* "$FROM"/.htaccess; do
    [ "$path" = "$FROM/wp-content" ] || cp -R "$path" "$TO/"
done
for path in "$FROM"/wp-content/*; do
    keep "${path#"$FROM/"}"
done

exec docker-ensure-installed.sh php /run/scripts/install.php
