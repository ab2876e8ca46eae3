"""What every add-on is made of: settings, a namespace, a Helm release, objects that need it.

The Kubernetes SDK takes most of a second to load. Settings of add-ons are read for every cluster,
so it is loaded where an object is made, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pulumi
from pydantic import Field

from components.addons.charts import Chart, ChartSource
from components.firewall import Row
from components.groups import NodeGroup
from components.k3s.settings import K3sSettings
from components.platforms.machine import Machine
from components.settings import Settings
from components.topology import Node

if TYPE_CHECKING:
    from pulumi_kubernetes import Provider
    from pulumi_kubernetes.apiextensions import CustomResource
    from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, PersistentVolumeClaim, Secret
    from pulumi_kubernetes.helm.v3 import Release
    from pulumi_kubernetes.storage.v1 import StorageClass

# What a chart's own hooks and images may take on a small machine, seconds.
_RELEASE_SECONDS = 900
# Each is a Secret of up to 1 MiB, and without a limit the provider keeps them all.
_REVISIONS = 10
# The add-ons that bring storage classes.
STORAGE = ("cloudController", "rook", "longhorn")


class AddonSettings(Settings):
    """What may be written for every add-on; each adds its own."""

    version: str = Field(description="version of the chart")
    values: Mapping[str, Any] = Field(
        default_factory=dict, description="further values of the chart, merged last"
    )


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where add-ons are put.

    `server` is a machine that steps run on; `provider` speaks to the API of `k3s`, whose settings
    are `k3s_settings`. `after` is what
    must be there before: children of a component do not wait for what it depends on. `secrets` are
    the secret values of the stack's config, by name. `chosen` are the keys of all add-ons that are
    chosen. With `retain` what is there stays in the cluster when its settings go.
    """

    cluster: str
    k3s: pulumi.Resource
    k3s_settings: K3sSettings
    provider: "Provider"
    charts: ChartSource
    server: Machine
    machines: Sequence[Machine]
    after: Sequence[pulumi.Resource] = ()
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    chosen: frozenset[str] = frozenset()
    retain: bool = False

    def options(
        self, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of an object in the cluster; a cluster that is torn down takes it along."""
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=[self.k3s, *self.after, *after],
            deleted_with=self.k3s,
            retain_on_delete=self.retain or None,
        )


@dataclass(frozen=True, kw_only=True)
class AddonAsked:
    """What a cluster asks of an add-on, for its check of the settings.

    `groups` and `nodes` are the whole cluster's. `chosen` are the keys of all add-ons that are
    chosen, `disabled` the packaged components that k3s is left without, `secrets` the names of the
    secret values that config has. `rows` are those of the firewall that hold, `disks` says how many
    raw disks each node has, `storage` are the keys of add-ons that bring storage classes. A part
    that could not be read is None.
    """

    cluster: str
    groups: Mapping[str, NodeGroup]
    nodes: Sequence[Node]
    k3s: K3sSettings | None
    chosen: frozenset[str]
    disabled: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    rows: Sequence[Row] = ()
    disks: Mapping[str, int] = field(default_factory=dict)
    storage: frozenset[str] = frozenset()


def namespace(
    name: str,
    site: Site,
    parent: pulumi.Resource,
    labels: Mapping[str, str] | None = None,
) -> "Namespace":
    """A namespace of the add-on's own; `labels` such as Pod Security's."""
    from pulumi_kubernetes.core.v1 import Namespace
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

    return Namespace(
        f"{site.cluster}-{name}-namespace",
        metadata=ObjectMetaArgs(name=name, labels=dict(labels or {})),
        opts=site.options(parent),
    )


def secret(
    name: str,
    data: Mapping[str, pulumi.Input[str]],
    *,
    into: "Namespace | str",
    site: Site,
    parent: pulumi.Resource,
) -> "Secret":
    """A Secret that a chart is told the name of: values of charts are readable by too many."""
    from pulumi_kubernetes.core.v1 import Secret
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

    return Secret(
        f"{site.cluster}-{name}",
        metadata=ObjectMetaArgs(name=name, namespace=_name(into)),
        string_data=pulumi.Output.secret(dict(data)),
        opts=site.options(parent, [] if isinstance(into, str) else [into]),
    )


def config_map(
    name: str,
    data: Mapping[str, str],
    *,
    labels: Mapping[str, str],
    into: "Namespace",
    site: Site,
    parent: pulumi.Resource,
) -> "ConfigMap":
    """Files for whoever looks for ConfigMaps with these labels."""
    from pulumi_kubernetes.core.v1 import ConfigMap
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

    return ConfigMap(
        f"{site.cluster}-{name}",
        metadata=ObjectMetaArgs(name=name, namespace=into.metadata.name, labels=dict(labels)),
        data=dict(data),
        opts=site.options(parent, [into]),
    )


def claim(
    name: str,
    storage_class: str | None,
    gib: int,
    *,
    into: "Namespace",
    site: Site,
    parent: pulumi.Resource,
) -> "PersistentVolumeClaim":
    """A volume for one node at a time, of the cluster's default class where none is named.

    It grows where its class lets it; nothing else of it can be changed.
    """
    from pulumi_kubernetes.core.v1 import (
        PersistentVolumeClaim,
        PersistentVolumeClaimSpecArgs,
        VolumeResourceRequirementsArgs,
    )
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

    return PersistentVolumeClaim(
        f"{site.cluster}-{name}-claim",
        metadata=ObjectMetaArgs(name=name, namespace=into.metadata.name),
        spec=PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=storage_class,
            resources=VolumeResourceRequirementsArgs(requests={"storage": f"{gib}Gi"}),
        ),
        opts=site.options(parent, [into]),
    )


def release(
    name: str,
    chart: Chart,
    settings: AddonSettings,
    values: Mapping[str, Any],
    *,
    into: "Namespace | str",
    site: Site,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource] = (),
    atomic: bool = True,
    awaited: bool = True,
) -> "Release":
    """The chart, deployed and awaited: a new version or value upgrades it in place.

    A first install that failed is taken back, so that the next run finds nothing half-made; not so
    without `atomic`, for what must not be deleted even then. Without `awaited` it is the business
    of a later step whether its workloads come up.
    """
    from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

    version = getattr(settings, chart.setting)
    where, repository = _from(site.charts, chart, version)
    return Release(
        f"{site.cluster}-{name}",
        name=name,
        chart=where,
        version=version,
        repository_opts=RepositoryOptsArgs(repo=repository) if repository else None,
        namespace=_name(into),
        values=merged(values, getattr(settings, chart.values) if chart.values else {}),
        timeout=_RELEASE_SECONDS,
        atomic=atomic and awaited,
        skip_await=None if awaited else True,
        cleanup_on_fail=True,
        max_history=_REVISIONS,
        opts=site.options(parent, after),
    )


def _name(into: "Namespace | str") -> pulumi.Input[str]:
    """A namespace that is made here, or one that is there anyway."""
    return into if isinstance(into, str) else into.metadata.name


def _from(charts: ChartSource, chart: Chart, version: str) -> tuple[str, str | None]:
    """What Helm is told: a file, an address in a registry, or a name and its repository."""
    if file := charts.file(chart, version):
        return str(file), None
    repository = charts.url or chart.repository
    if repository.startswith("oci://"):
        return f"{repository.rstrip('/')}/{chart.name}", None
    return chart.name, repository


def custom(
    name: str,
    body: Mapping[str, Any],
    *,
    site: Site,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> "CustomResource":
    """One object of a kind that a chart brings along: apiVersion, kind, metadata and spec."""
    from pulumi_kubernetes.apiextensions import CustomResource
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

    return CustomResource(
        f"{site.cluster}-{name}",
        api_version=body["apiVersion"],
        kind=body["kind"],
        metadata=ObjectMetaArgs(**body["metadata"]),
        spec=body["spec"],
        opts=site.options(parent, after),
    )


def storage_class(
    name: str,
    provisioner: str,
    parameters: Mapping[str, str],
    *,
    default: bool,
    binding: Literal["Immediate", "WaitForFirstConsumer"] | None = None,
    site: Site,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> "StorageClass":
    """Volumes that grow, and that go with their claims; `default` for claims that name no class.

    `binding` says when one is made; unset, with its claim.
    """
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
    from pulumi_kubernetes.storage.v1 import StorageClass

    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return StorageClass(
        f"{site.cluster}-{name}",
        metadata=ObjectMetaArgs(name=name, annotations=marks or None),
        provisioner=provisioner,
        parameters=dict(parameters),
        reclaim_policy="Delete",
        volume_binding_mode=binding,
        allow_volume_expansion=True,
        opts=site.options(parent, after),
    )


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Helm's own way: objects key by key, everything else replaced."""
    both = dict(base)
    for key, value in over.items():
        old = both.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            both[key] = merged(old, value)
        else:
            both[key] = value
    return both
