"""WordPress with a MySQL of its own, in a namespace of its own: a component for any program."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_random import RandomPassword

from components.problems import SettingsError
from workloads import mysql, objects, site
from workloads.wordpress_settings import WordPressSettings, problems

if TYPE_CHECKING:
    from pulumi_kubernetes import Provider

# Letters and digits alone: 32 of them are 190 bits.
_PASSWORD_LENGTH = 32


class WordPress(pulumi.ComponentResource):
    """A site that is set up, with passwords that the stack makes.

    `after` is what must be there before, such as what brings storage classes. `deleted_with` is
    what takes everything along when it goes, such as the cluster.

    Raises SettingsError, with all mistakes in it, before anything is registered.
    Outputs: `url`, known when the site is there; `admin_user` and `admin_password` (secret), by
    which one logs in at URL/wp-admin; `database_password` (secret), of MySQL's user wordpress.
    """

    url: pulumi.Output[str]
    admin_user: str
    admin_password: pulumi.Output[str]
    database_password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: WordPressSettings,
        provider: "Provider",
        after: Sequence[pulumi.Resource] = (),
        deleted_with: pulumi.Resource | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        if found := list(problems(settings, name)):
            raise SettingsError(found)
        super().__init__("k3s:workloads:WordPress", name, None, opts)
        self._name, self._settings = name, settings
        self._maker = objects.Maker(
            name=name,
            namespace=settings.namespace,
            parent=self,
            provider=provider,
            deleted_with=deleted_with,
            wait=settings.wait,
        )
        self.admin_user = settings.admin.user
        self.admin_password = self._password("admin")
        self.database_password = self._password("mysql")

        self._namespace = self._maker.make_namespace(after, protect=settings.protect)
        database = self._mysql()
        there = self._wordpress(database)
        self.url = pulumi.Output.all(*(made.id for made in there)).apply(lambda _: settings.url())
        self.register_outputs({"url": self.url, "adminPassword": self.admin_password})

    def _mysql(self) -> list[pulumi.CustomResource]:
        """The server and its Service, which is in order when the server is."""
        files = pulumi.Output.all(self._password("mysql-root"), self.database_password)
        before = [
            self._secret(mysql.SECRET, files.apply(lambda known: mysql.secret(*known))),
            self._claim(mysql.CLAIM, self._settings.storage.mysql),
            self._make("NetworkPolicy", mysql.NAME, mysql.network_policy(site.NAME)),
        ]
        server = mysql.stateful_set(self._settings.images.mysql)
        return [
            self._make("StatefulSet", mysql.NAME, server, before),
            self._make("Service", mysql.NAME, mysql.service()),
        ]

    def _wordpress(self, database: Sequence[pulumi.Resource]) -> list[pulumi.CustomResource]:
        """What answers visitors, there when they can be answered."""
        keys = self._password("keys", len(site.KEYS) * site.KEY_LENGTH)
        files = pulumi.Output.all(self.database_password, keys)
        before = [
            *database,
            self._secret(site.SECRET, files.apply(lambda known: site.secret(*known))),
            self._secret(site.ADMIN, self.admin_password.apply(lambda known: {"password": known})),
            self._make("ConfigMap", site.SCRIPTS, {"data": site.scripts()}),
            self._claim(site.CLAIM, self._settings.storage.content),
        ]
        reached = [
            self._make("Deployment", site.NAME, site.deployment(self._settings), before),
            self._make("Service", site.NAME, site.service(self._settings)),
        ]
        if way := self._settings.ingress:
            body = site.ingress(way.host, way.class_name, tls=way.issuer is not None)
            issuer = {"cert-manager.io/cluster-issuer": way.issuer} if way.issuer else {}
            reached.append(self._make("Ingress", site.NAME, body, reached, annotations=issuer))
        return reached

    def _password(self, what: str, length: int = _PASSWORD_LENGTH) -> pulumi.Output[str]:
        made = RandomPassword(
            f"{self._name}-{what}-password",
            length=length,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.secret(made.result)

    def _secret(self, name: str, files: pulumi.Output[dict[str, str]]) -> pulumi.CustomResource:
        return self._make("Secret", name, {"string_data": pulumi.Output.secret(files)})

    def _claim(self, name: str, gib: int) -> pulumi.CustomResource:
        storage, protect = self._settings.storage, self._settings.protect
        body = objects.claim(storage.storage_class, gib)
        return self._make("PersistentVolumeClaim", name, body, protect=protect)

    def _make(
        self,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        after: Sequence[pulumi.Resource] = (),
        *,
        annotations: Mapping[str, str] | None = None,
        protect: bool = False,
    ) -> pulumi.CustomResource:
        """In the site's namespace, which is there before it."""
        return self._maker.make(
            kind,
            name,
            body,
            [self._namespace, *after],
            annotations=annotations,
            protect=protect,
        )
