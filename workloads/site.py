"""WordPress's own objects, as Kubernetes spells them, all of them pure.

Its files come from the image at every start, so that the image's tag is the site's version; what
people add (themes, plugins, uploads) is on a volume.
Source: https://hub.docker.com/_/wordpress, and https://github.com/docker-library/wordpress for what
the image's entrypoint reads and writes.
"""

from collections.abc import Mapping
from pathlib import Path

from workloads import mysql
from workloads.objects import (
    Body,
    container,
    labels,
    mounts,
    pairs,
    pod,
    probe,
    scratch,
    secret_files,
)
from workloads.wordpress_settings import WordPressSettings

NAME = "wordpress"
CLAIM = "wordpress"
SECRET = "wordpress"  # noqa: S105 - a name
ADMIN = "wordpress-admin"
SCRIPTS = "wordpress-scripts"
TLS = "wordpress-tls"
PORT = 80
# www-data in the image.
_UID = 33
_FILES = "/run/secrets/wordpress"
_SCRIPTS = Path(__file__).parent / "scripts"
_SETUP = "setup.sh"
_MEMORY = 512
# What signs cookies and links: the same at every start, or everybody is logged out.
KEYS = tuple(
    f"{kind}-{what}"
    for kind in ("auth", "secure-auth", "logged-in", "nonce")
    for what in ("key", "salt")
)
# As long as those of https://api.wordpress.org/secret-key/1.1/salt.
KEY_LENGTH = 64


def secret(password: str, keys: str) -> dict[str, str]:
    """Files that the site runs with; `keys` is as long as all KEYS are together."""
    pieces = (keys[n * KEY_LENGTH :][:KEY_LENGTH] for n in range(len(KEYS)))
    return {"mysql-password": password, **dict(zip(KEYS, pieces, strict=True))}


def scripts() -> dict[str, str]:
    """What runs before the site does."""
    return {name: (_SCRIPTS / name).read_text() for name in (_SETUP, "install.php")}


def deployment(settings: WordPressSettings) -> Body:
    """One pod, as its volume is for one node: the old one goes before the new one comes."""
    return {
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels(NAME)},
            "template": {
                "metadata": {"labels": labels(NAME)},
                "spec": pod(
                    _UID,
                    # Apache listens on port 80, without being root.
                    securityContext={
                        "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
                    },
                    initContainers=[_setup(settings)],
                    containers=[_server(settings)],
                    volumes=_volumes(),
                ),
            },
        }
    }


def _volumes() -> list[Body]:
    return [
        {"name": "content", "persistentVolumeClaim": {"claimName": CLAIM}},
        secret_files(SECRET),
        secret_files(ADMIN),
        {"name": "scripts", "configMap": {"name": SCRIPTS}},
        scratch("files", 512),
        scratch("run", 16),
        scratch("lock", 16),
        scratch("tmp", 1024),
    ]


def _mounts() -> dict[str, str]:
    return {
        "files": "/var/www/html",
        "content": "/var/www/html/wp-content",
        "wordpress": _FILES,
        "tmp": "/tmp",  # noqa: S108 - in the pod
    }


def _setup(settings: WordPressSettings) -> Body:
    """Copies the image's files, waits for MySQL, and sets the site up or brings it up to date."""
    admin = "/run/secrets/wordpress-admin"
    return container(
        "setup",
        settings.images.wordpress,
        memory=_MEMORY,
        command=["sh", f"/run/scripts/{_SETUP}"],
        env=[
            *_environment(settings),
            *pairs(
                SITE_TITLE=settings.title,
                ADMIN_USER=settings.admin.user,
                ADMIN_EMAIL=settings.admin.email,
                ADMIN_PASSWORD_FILE=f"{admin}/password",
            ),
        ],
        volumeMounts=mounts(**_mounts(), wordpress_admin=admin, scripts="/run/scripts"),
    )


def _server(settings: WordPressSettings) -> Body:
    login = {"path": "/wp-login.php", "port": "http", "httpHeaders": _as_asked(settings)}
    return container(
        NAME,
        settings.images.wordpress,
        memory=_MEMORY,
        ports=[{"name": "http", "containerPort": PORT}],
        env=_environment(settings),
        # The page that needs all of it: Apache, PHP, the files and MySQL.
        readinessProbe=probe({"httpGet": login}, every=5, times=3),
        # Without MySQL a restart of Apache would help nobody.
        livenessProbe=probe({"tcpSocket": {"port": "http"}}, every=10, times=6),
        volumeMounts=mounts(**_mounts(), run="/run/apache2", lock="/run/lock/apache2"),
    )


def _as_asked(settings: WordPressSettings) -> list[Body]:
    """As a visitor asks: WordPress leads all others to the site's own address."""
    scheme, _, host = settings.url().partition("://")
    return pairs(**{"Host": host, "X-Forwarded-Proto": scheme})


def _environment(settings: WordPressSettings) -> list[Body]:
    url = settings.url()
    constants = {
        "WP_HOME": f"'{url}'",
        "WP_SITEURL": f"'{url}'",
        # It would be undone at the next start: the image's tag is the version.
        "WP_AUTO_UPDATE_CORE": "false",
    }
    keys = {f"WORDPRESS_{key.replace('-', '_').upper()}_FILE": f"{_FILES}/{key}" for key in KEYS}
    return pairs(
        WORDPRESS_DB_HOST=mysql.NAME,
        WORDPRESS_DB_NAME=mysql.DATABASE,
        WORDPRESS_DB_USER=mysql.USER,
        WORDPRESS_DB_PASSWORD_FILE=f"{_FILES}/mysql-password",
        **keys,
        WORDPRESS_CONFIG_EXTRA=_php(constants),
    )


def _php(constants: Mapping[str, str]) -> str:
    """Values are PHP's; a URL is of a checked host, and has nothing to be escaped."""
    return " ".join(f"define('{name}', {value});" for name, value in constants.items())


def service(settings: WordPressSettings) -> Body:
    """For the ingress controller, or on a port of every node."""
    port: Body = {"name": "http", "port": PORT, "targetPort": "http"}
    if settings.node_port:
        port["nodePort"] = settings.node_port.port
    kind = "NodePort" if settings.node_port else "ClusterIP"
    return {"spec": {"type": kind, "selector": labels(NAME), "ports": [port]}}


def ingress(host: str, class_name: str, *, tls: bool) -> Body:
    """The site by its name; with `tls` by a certificate that cert-manager keeps in a Secret."""
    backend = {"service": {"name": NAME, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    certificate = {"tls": [{"hosts": [host], "secretName": TLS}]} if tls else {}
    rules = [{"host": host, "http": {"paths": [path]}}]
    return {"spec": {"ingressClassName": class_name, "rules": rules, **certificate}}
