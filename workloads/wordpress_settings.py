"""What may be written for a WordPress site, and what cannot work."""

import ipaddress
import re
from collections.abc import Iterator

from pydantic import Field

from components.problems import Problem
from components.settings import Settings

# RFC 1123 labels, as namespaces and hosts are named.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
# What WordPress's sanitize_user() leaves as it is, in the 60 characters of its column.
_USER = re.compile(r"[A-Za-z0-9_.@-]{1,60}")
# A tag or a digest behind the last part of the name; a port of the registry is neither.
_TAGGED = re.compile(r"\S+(?::(?!latest$)[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})")


class Admin(Settings):
    """Who may do everything on the site; the password is made by the stack."""

    user: str = Field(default="admin", description="name to log in by, such as admin")
    email: str = Field(description="whom WordPress writes to, such as ops@company.tld")


class SiteIngress(Settings):
    """The site answers by its name, through the cluster's ingress controller."""

    host: str = Field(description="name of the site, such as blog.company.tld")
    class_name: str = Field(
        default="traefik", description="the ingress class that answers: traefik"
    )
    issuer: str | None = Field(
        default=None,
        description="cert-manager's issuer of its certificate, such as letsencrypt-production; "
        "without it the site is HTTP alone",
    )


class SiteNodePort(Settings):
    """The site answers on a port of every node, in clear."""

    host: str = Field(description="name or address of a node, such as 203.0.113.7")
    port: int = Field(
        default=30080, ge=30000, le=32767, description="port of every node, 30000 to 32767"
    )


class SiteStorage(Settings):
    """A volume for files and one for the database."""

    storage_class: str | None = Field(
        default=None,
        description="storage class, such as longhorn; the cluster's default class otherwise",
    )
    content: int = Field(default=10, ge=1, description="GiB for themes, plugins and uploads")
    mysql: int = Field(default=10, ge=1, description="GiB for the database")


class SiteImages(Settings):
    """Pinned: another tag of WordPress is another version of it."""

    wordpress: str = Field(
        default="docker.io/library/wordpress:7.1.0-php8.3-apache",
        description="the official image with Apache, or one made from it, with its tag or digest",
    )
    mysql: str = Field(
        default="docker.io/library/mysql:9.7.2",
        description="the official image, or one made from it, with its tag or digest",
    )


class WordPressSettings(Settings):
    """A WordPress site with a MySQL of its own."""

    namespace: str = Field(
        default="wordpress", description="namespace of the site's own, such as blog"
    )
    title: str = Field(default="WordPress", description="title of the site, such as Our blog")
    admin: Admin = Field(description="{email: ops@company.tld}, and user if other than admin")
    ingress: SiteIngress | None = Field(
        default=None, description="{host: blog.company.tld, issuer: letsencrypt-production}"
    )
    node_port: SiteNodePort | None = Field(
        default=None, description="in place of ingress: {host: 203.0.113.7, port: 30080}"
    )
    storage: SiteStorage = Field(
        default_factory=SiteStorage, description="{storageClass: longhorn, content: 10, mysql: 10}"
    )
    images: SiteImages = Field(
        default_factory=SiteImages, description="{wordpress: …, mysql: …} from a mirror"
    )
    protect: bool = Field(
        default=False, description="true: the namespace and its volumes are never deleted"
    )
    wait: bool = Field(
        default=True, description="false: not awaited, such as where images come later"
    )

    def host(self) -> str:
        """What the site is asked by: without a port, an IPv6 address in brackets."""
        if self.ingress:
            return self.ingress.host
        host = self.node_port.host if self.node_port else ""
        return f"[{host}]" if ":" in host else host

    def url(self) -> str:
        """Where the site is, without a slash at its end."""
        if self.ingress:
            return f"{'https' if self.ingress.issuer else 'http'}://{self.host()}"
        return f"http://{self.host()}:{self.node_port.port if self.node_port else 80}"


def problems(settings: WordPressSettings, key: str) -> Iterator[Problem]:
    """Mistakes that no single field shows; `key` is where the settings are written."""
    ways = {"ingress": settings.ingress, "nodePort": settings.node_port}
    given = [name for name, way in ways.items() if way is not None]
    if len(given) != 1:
        yield Problem(
            key=key,
            given=" and ".join(given) or None,
            why="a site has one address, by its name or on a port of the nodes",
            write="write ingress: {host: …}, or nodePort: {host: …}",
        )
    yield from _names(settings, key)
    for name, image in (("wordpress", settings.images.wordpress), ("mysql", settings.images.mysql)):
        if not _TAGGED.fullmatch(image):
            yield Problem(
                key=f"{key}.images.{name}",
                given=image,
                why="another image could be pulled by that name tomorrow",
                write="write its tag, such as …:7.1.0-php8.3-apache, or its digest",
            )


def _names(settings: WordPressSettings, key: str) -> Iterator[Problem]:
    space = settings.namespace
    if not _NAMESPACE.fullmatch(space) or space == "default" or space.startswith("kube-"):
        yield Problem(
            key=f"{key}.namespace",
            given=space,
            why="the site has a namespace of its own, which goes with it",
            write="write at most 63 of a-z, 0-9 and -, such as blog",
        )
    if not _EMAIL.fullmatch(settings.admin.email):
        yield Problem(
            key=f"{key}.admin.email",
            given=settings.admin.email,
            why="WordPress takes it for no address",
            write="write an address that is read, such as ops@company.tld",
        )
    if not _USER.fullmatch(settings.admin.user):
        yield Problem(
            key=f"{key}.admin.user",
            given=settings.admin.user,
            why="WordPress makes another name of it",
            write="write at most 60 of letters, digits, _, ., @ and -",
        )
    if settings.ingress and not _HOST.fullmatch(settings.ingress.host):
        yield Problem(
            key=f"{key}.ingress.host",
            given=settings.ingress.host,
            why="no name that an Ingress takes",
            write="write a name such as blog.company.tld",
        )
    if settings.node_port and not _is_host(settings.node_port.host):
        yield Problem(
            key=f"{key}.nodePort.host",
            given=settings.node_port.host,
            why="neither a name nor an address",
            write="write a name or an address of a node, without a port",
        )


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host))
    return True
