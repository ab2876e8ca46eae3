"""Settings of k3s itself, and what cannot be right about them."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from components.groups import Option
from components.k3s import artifacts, versions
from components.problems import Problem
from components.settings import Settings
from components.topology import Node

# The controller manager hands each node a /24 of the cluster CIDR (--node-cidr-mask-size).
_POD_PREFIX = 24
# And a /64 of the IPv6 one (--node-cidr-mask-size-ipv6).
_POD_PREFIX_IPV6 = 64


class Artifacts(Settings):
    """Where a release comes from: k3s's own release page, a mirror of it, or a folder."""

    source: Literal["release", "mirror", "folder"] = Field(
        default="release", alias="from", description="release, mirror or folder"
    )
    url: str | None = Field(
        default=None, description="address of a mirror: ADDRESS/VERSION/k3s must answer"
    )
    folder: str | None = Field(
        default=None, description="folder on the operator's machine with the release's files"
    )


class K3sSettings(Settings):
    """One cluster's k3s."""

    version: str = Field(description="a release's name, such as v1.35.6+k3s1")
    artifacts: Artifacts = Field(
        default_factory=Artifacts,
        description="{from: release}, {from: mirror, url: …} or {from: folder, folder: …}",
    )
    disable: tuple[str, ...] = Field(
        default=(), description="packaged components to leave out, such as [traefik, servicelb]"
    )
    tls_san: tuple[str, ...] = Field(
        default=(), description="further names and addresses that the API's certificate is for"
    )
    cluster_cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.42.0.0/16"),
        description="addresses of pods, a CIDR such as 10.42.0.0/16",
    )
    service_cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.43.0.0/16"),
        description="addresses of Services, a CIDR such as 10.43.0.0/16",
    )

    cluster_cidr_ipv6: ipaddress.IPv6Network | None = Field(
        default=None, description="for dual stack: IPv6 addresses of pods, such as fd42::/56"
    )
    service_cidr_ipv6: ipaddress.IPv6Network | None = Field(
        default=None, description="for dual stack: IPv6 addresses of Services, such as fd43::/112"
    )
    flannel_backend: Literal["vxlan", "wireguard-native", "none"] | None = Field(
        default=None,
        description="vxlan, wireguard-native, or none for a network plugin that you install",
    )
    kube_proxy: bool = Field(
        default=True, description="false: a network plugin that you install serves Services"
    )
    secrets_encryption: bool = Field(
        default=True,
        description="false: Secrets are in the datastore in clear; only for a new cluster",
    )
    embedded_registry: bool = Field(
        default=False, description="true: nodes hand images to each other"
    )
    cloud_controller: Literal["packaged", "external"] = Field(
        default="packaged",
        description="packaged: k3s's own; external for a cloud's that you install, without which "
        "nodes take no pods",
    )
    kubelet_args: tuple[str, ...] = Field(
        default=(),
        description="arguments of every node's kubelet, such as [\"max-pods=200\"]; a group's own "
        "go before",
    )
    node_options: Mapping[str, Option] = Field(
        default_factory=dict,
        description="further flags of k3s on every node, by their names in its config.yaml, such "
        "as {debug: true}; a group's own go before",
    )
    server_options: Mapping[str, Option] = Field(
        default_factory=dict,
        description="further flags of k3s on every server, such as "
        "{kube-apiserver-arg: [audit-log-path=/var/log/audit]}",
    )

    @property
    def cluster_dns(self) -> str:
        """Address of the cluster's DNS: the tenth of the service CIDR, as k3s has it."""
        return str(self.service_cidr[10])

    @property
    def external_cloud(self) -> bool:
        """Whether somebody else than k3s tells the nodes' addresses, and lets pods on them."""
        return self.cloud_controller == "external"

    @property
    def dual_stack(self) -> bool:
        """Whether pods and Services have IPv6 beside IPv4."""
        return self.cluster_cidr_ipv6 is not None and self.service_cidr_ipv6 is not None

    def backend(self, *, spans: bool) -> Literal["vxlan", "wireguard-native", "none"]:
        """How pods on different nodes speak: over networks, WireGuard alone is fit to."""
        return self.flannel_backend or ("wireguard-native" if spans else "vxlan")


def problems(
    settings: K3sSettings, nodes: Sequence[Node], *, ipv4_only: Sequence[str]
) -> Iterator[Problem]:
    """Mistakes that no single field shows.

    `nodes` are all nodes of the cluster, `ipv4_only` the platforms in use without IPv6.
    """
    if not versions.is_release(settings.version):
        yield Problem(
            key="k3s.version",
            given=settings.version,
            why="not the name of a k3s release",
            write="write it as the release page has it, such as v1.35.6+k3s1",
        )
    yield from _cidrs(settings, len(nodes))
    yield from _dual_stack(settings, len(nodes), ipv4_only)
    if not settings.kube_proxy and settings.flannel_backend != "none":
        yield Problem(
            key="k3s.kubeProxy",
            given=False,
            why="nobody would serve Services: flannel does not",
            write="leave it out, or write flannelBackend: none and install a plugin that does",
        )
    yield from _external_cloud(settings)
    yield from _source(settings)


def _cidrs(settings: K3sSettings, nodes: int) -> Iterator[Problem]:
    pods, services = settings.cluster_cidr, settings.service_cidr
    if pods.overlaps(services):
        yield Problem(
            key="k3s.serviceCidr",
            given=services,
            why=f"it overlaps k3s.clusterCidr {pods}: a Service and a pod could have one address",
            write="write a range of its own, such as 10.43.0.0/16",
        )
    # One stays free: a replaced node's range is taken until its old Node is deleted.
    room = max(2 ** max(_POD_PREFIX - pods.prefixlen, 0) - 1, 0)
    if pods.prefixlen > _POD_PREFIX or nodes > room:
        yield Problem(
            key="k3s.clusterCidr",
            given=pods,
            why=f"each node takes a /{_POD_PREFIX} of it: room for {room} nodes, not {nodes}",
            write="write a wider range, such as 10.42.0.0/16 for 255 nodes",
        )
    if services.prefixlen > 28:
        yield Problem(
            key="k3s.serviceCidr",
            given=services,
            why="cluster DNS is its tenth address, and Services need some of their own",
            write="write a /16 such as 10.43.0.0/16",
        )


def _dual_stack(settings: K3sSettings, nodes: int, ipv4_only: Sequence[str]) -> Iterator[Problem]:
    pods, services = settings.cluster_cidr_ipv6, settings.service_cidr_ipv6
    if (pods is None) != (services is None):
        yield Problem(
            key="k3s.serviceCidrIpv6" if services is None else "k3s.clusterCidrIpv6",
            given=None,
            why="dual stack needs IPv6 addresses for pods and for Services",
            write="write both, such as clusterCidrIpv6: fd42::/56 and serviceCidrIpv6: fd43::/112",
        )
    if pods is not None and ipv4_only:
        yield Problem(
            key="k3s.clusterCidrIpv6",
            given=pods,
            why=f"{ipv4_only[0]} has no IPv6 in these settings",
            write="leave it out"
            + ("" if "local" in ipv4_only else ", or write network.ipv6: true"),
        )
    # As with IPv4, one range stays free for a node that is replaced.
    room = max(2 ** max(_POD_PREFIX_IPV6 - pods.prefixlen, 0) - 1, 0) if pods else 0
    if pods is not None and nodes > room:
        yield Problem(
            key="k3s.clusterCidrIpv6",
            given=pods,
            why=f"each node takes a /{_POD_PREFIX_IPV6} of it: room for {room} nodes, not {nodes}",
            write="write a wider range, such as fd42::/56",
        )
    if services is not None and services.prefixlen < 108:
        yield Problem(
            key="k3s.serviceCidrIpv6",
            given=services,
            why="the API server takes no more than 20 bits for Services",
            write="write a /108 or narrower, such as fd43::/112",
        )


def _external_cloud(settings: K3sSettings) -> Iterator[Problem]:
    if settings.external_cloud and settings.dual_stack:
        # https://github.com/k3s-io/k3s/blob/master/pkg/daemons/agent/agent_linux.go
        yield Problem(
            key="k3s.clusterCidrIpv6",
            given=settings.cluster_cidr_ipv6,
            why="beside a cloud's controller k3s tells the kubelet no addresses of two families",
            write="leave clusterCidrIpv6 and serviceCidrIpv6 out, or addons.cloudController",
        )


def _source(settings: K3sSettings) -> Iterator[Problem]:
    chosen = settings.artifacts
    given = {"url": chosen.url, "folder": chosen.folder}
    wanted = {"release": None, "mirror": "url", "folder": "folder"}[chosen.source]
    for name, value in given.items():
        if name == wanted and not value:
            yield Problem(
                key=f"k3s.artifacts.{name}",
                given=None,
                why=f"artifacts from a {chosen.source} need it",
                write=f"add {name}: to k3s.artifacts",
            )
        elif name != wanted and value:
            yield Problem(
                key=f"k3s.artifacts.{name}",
                given=value,
                why=f"artifacts come from: {chosen.source}, so it would do nothing",
                write=f"remove it, or write from: {'mirror' if name == 'url' else 'folder'}",
            )
    if chosen.source == "mirror" and chosen.url:
        yield from _mirror(chosen.url)
    if chosen.source == "folder" and chosen.folder:
        yield from _folder(Path(chosen.folder))


def _mirror(url: str) -> Iterator[Problem]:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_private(parts.hostname):
        return
    yield Problem(
        key="k3s.artifacts.url",
        given=url,
        why="checksums fetched in clear over the internet prove nothing",
        write="write an https:// address, or http:// with a private IP address",
    )


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _folder(folder: Path) -> Iterator[Problem]:
    try:
        artifacts.check_folder(folder, arch="amd64")
    except artifacts.FolderError as error:
        yield Problem(
            key="k3s.artifacts.folder", given=str(folder), why=str(error), write=error.write
        )
