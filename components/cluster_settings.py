"""All settings of a cluster, and what cannot be right between its parts."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from pydantic import Field

from components import access as access_rules
from components import firewall, replacing, topology
from components import groups as node_groups
from components import network as network_rules
from components.access import AccessSettings
from components.addons import settings as addon_rules
from components.addons.addon import AddonAsked
from components.addons.settings import Addons
from components.groups import NodeGroup
from components.k3s import options as k3s_options
from components.k3s import settings as k3s_settings
from components.k3s import upgrade as upgrade_rules
from components.k3s.requirements import Requirements
from components.k3s.settings import K3sSettings
from components.k3s.upgrade import UpgradeSettings
from components.network import NetworkSettings
from components.platforms import cloudinit
from components.platforms.aws.settings import AwsSettings
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.existing.settings import ExistingSettings
from components.platforms.kinds import KINDS
from components.platforms.local.settings import LocalSettings
from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings
from components.topology import CLOUDS, Node, PlatformName


class ClusterSettings(Settings):
    """All settings of a cluster."""

    platform: PlatformName = Field(
        description="local (containers on this machine), digitalocean, aws or existing"
    )
    groups: Mapping[str, NodeGroup] = Field(
        description="node groups by name, such as server: {role: server, count: 1}"
    )
    k3s: K3sSettings = Field(description="an object with at least version: v1.35.6+k3s1")
    upgrade: UpgradeSettings = Field(
        default_factory=UpgradeSettings,
        description="how changes go through the nodes, an object such as {batch: 2}",
    )
    access: AccessSettings = Field(
        default_factory=AccessSettings,
        description="an object with ssh: [CIDR] and api: [CIDR], who may come in",
    )
    network: NetworkSettings = Field(
        default_factory=NetworkSettings, description="an object such as {profiles: [prometheus]}"
    )
    addons: Addons = Field(
        default_factory=Addons,
        description="what is installed after k3s, such as {metallb: {pools: …}}",
    )
    replace: tuple[str, ...] = Field(
        default=(),
        description="names of nodes whose machines are made anew, once each time a name comes, "
        "such as [dev-server-1]; a server alone, one of several",
    )
    bootstrap_server: str | None = Field(
        default=None,
        description="name of the server that a new cluster starts from, such as dev-server-2; "
        "unset, the first one",
    )
    protect: bool = Field(
        default=False,
        description="true: raw disks, fixed addresses and balancer are never deleted",
    )
    requirements: Requirements = Field(
        default="warning",
        description="what less memory or disk than k3s asks for is, error or warning",
    )
    local: LocalSettings = Field(
        default_factory=LocalSettings, description="an object with the keys of platform local"
    )
    digitalocean: DigitalOceanSettings | None = Field(
        default=None, description="an object with at least region: fra1"
    )
    aws: AwsSettings | None = Field(
        default=None, description="an object with at least region: … and images: {amd64: ami-…}"
    )
    existing: ExistingSettings | None = Field(
        default=None, description="an object with hosts: {NAME: {address: …, hostKey: …}}"
    )

    def draft(self) -> "Draft":
        """The same, as it is checked."""
        return Draft(**{name: getattr(self, name) for name in Draft.__dataclass_fields__})

    @property
    def k3s_with_addons(self) -> K3sSettings:
        """k3s's settings, as the chosen add-ons need them."""
        return self.addons.k3s(self.k3s)

    def nodes(self, cluster: str) -> list[Node]:
        """All nodes to be, by name, platform and network."""
        return _nodes(cluster, self.draft())

    def firewall_facts(self, cluster: str) -> firewall.Facts:
        """What decides which rows of the firewall hold."""
        return _facts(self.draft(), self.nodes(cluster))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Settings as far as they could be read: None for a required part that could not."""

    platform: PlatformName | None = None
    groups: Mapping[str, NodeGroup] | None = None
    replace: tuple[str, ...] | None = None
    bootstrap_server: str | None = None
    k3s: K3sSettings | None = None
    upgrade: UpgradeSettings | None = None
    access: AccessSettings | None = None
    network: NetworkSettings | None = None
    addons: Addons | None = None
    requirements: Requirements | None = None
    local: LocalSettings | None = None
    digitalocean: DigitalOceanSettings | None = None
    aws: AwsSettings | None = None
    existing: ExistingSettings | None = None


def problems(
    name: str,
    draft: Draft,
    *,
    operator_key_given: bool = True,
    secrets: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Every mistake of the cluster `name` that no single field shows.

    What depends on a part that could not be read is left out. `operator_key_given` is False where
    it is known that the stack has to make the operator's key; `secrets` are the names of the secret
    values that there are.
    """
    nodes = _nodes(name, draft)
    used = sorted({node.platform for node in nodes})
    found: list[Problem] = []
    if draft.groups is not None:
        found += node_groups.problems(name, draft.groups)
    if nodes:
        found += replacing.problems(nodes, draft.replace or ())
        found += replacing.bootstrap_problems(nodes, draft.bootstrap_server)
    if (k3s := _k3s(draft)) is not None:
        found += k3s_settings.problems(k3s, nodes, ipv4_only=_ipv4_only(draft, used))
    found += k3s_options.problems(k3s, draft.groups or {})
    if draft.upgrade is not None:
        agents = sum(node.role == "agent" for node in nodes)
        found += upgrade_rules.problems(draft.upgrade, agents)
    if draft.access is not None:
        clouds = [platform for platform in CLOUDS if platform in used]
        found += access_rules.problems(
            draft.access, clouds=clouds, ipv4_only=_ipv4_only(draft, used)
        )
    if draft.access is not None and draft.k3s is not None and set(CLOUDS) & set(used):
        found += cloudinit.problems(draft.access, draft.k3s)
    if draft.network is not None:
        found += network_rules.problems(draft.network, ipv4_only=_ipv4_only(draft, used))
        found += firewall.problems(draft.network.open)
    found += _mixed(draft, nodes)
    if draft.addons is not None:
        found += addon_rules.problems(draft.addons, addon_asked(name, draft, secrets))
    for platform in used:
        found += _of_platform(name, platform, draft, nodes, operator_key_given)
    return found


def _nodes(name: str, draft: Draft) -> list[Node]:
    if draft.platform is None or draft.groups is None:
        return []
    lone = draft.existing.lone_hosts() if draft.existing else []
    return topology.nodes(name, draft.platform, draft.groups, lone)


def _k3s(draft: Draft) -> K3sSettings | None:
    """As the chosen add-ons need it."""
    return draft.addons.k3s(draft.k3s) if draft.addons and draft.k3s else draft.k3s


def _facts(draft: Draft, nodes: list[Node]) -> firewall.Facts:
    access = draft.access or AccessSettings()
    network = draft.network or NetworkSettings()
    spans = topology.spans(nodes)
    k3s = _k3s(draft)
    return firewall.Facts(
        servers=sum(node.role == "server" for node in nodes),
        ssh=access.ssh,
        api=access.api,
        backend=k3s.backend(spans=spans) if k3s else "vxlan",
        spans=spans,
        ipv6=network.ipv6,
        dual_stack=bool(k3s and k3s.dual_stack),
        embedded_registry=bool(k3s and k3s.embedded_registry),
        profiles=(*network.profiles, *(draft.addons.profiles() if draft.addons else ())),
        open=network.open,
    )


def addon_asked(name: str, draft: Draft, secrets: frozenset[str] = frozenset()) -> AddonAsked:
    """What the cluster `name` asks of what is installed into it."""
    addons, k3s, nodes = draft.addons, draft.k3s, _nodes(name, draft)
    return AddonAsked(
        cluster=name,
        groups=draft.groups or {},
        nodes=nodes,
        k3s=k3s,
        chosen=frozenset(addons.chosen()) if addons else frozenset(),
        disabled=frozenset(addons.k3s(k3s).disable) if addons and k3s else frozenset(),
        secrets=secrets,
        rows=firewall.rows(_facts(draft, nodes)),
        disks={node.name: _disks(draft, node) for node in nodes},
        storage=addons.storage() if addons else frozenset(),
    )


def _disks(draft: Draft, node: Node) -> int:
    """How many raw disks a node has: a group's, or those of an existing host."""
    if node.platform != "existing":
        return len((draft.groups or {})[node.group].disks)
    host = draft.existing.hosts.get(node.key) if draft.existing else None
    return len(host.disks) if host else 0


def _ipv4_only(draft: Draft, used: list[PlatformName]) -> list[str]:
    """Platforms without IPv6: an existing host is asked for its own addresses instead."""
    ipv6 = draft.network is not None and draft.network.ipv6
    return [p for p in used if p == "local" or (p in CLOUDS and not ipv6)]


def _of_platform(
    name: str,
    platform: PlatformName,
    draft: Draft,
    nodes: list[Node],
    operator_key_given: bool,
) -> Iterator[Problem]:
    asked = Asked(
        cluster=name,
        groups={
            key: group
            for key, group in (draft.groups or {}).items()
            if (group.platform or draft.platform) == platform
        },
        nodes=nodes,
        spans=topology.spans(nodes),
        rows=firewall.rows(_facts(draft, nodes)),
        k3s=_k3s(draft),
        access=draft.access,
        network=draft.network,
        operator_key_given=operator_key_given,
        requirements=draft.requirements or "warning",
    )
    yield from KINDS[platform].problems(getattr(draft, platform), asked)


def _mixed(draft: Draft, nodes: list[Node]) -> Iterator[Problem]:
    """What cannot work between the platforms of one cluster."""
    servers = {node.network for node in nodes if node.role == "server"}
    if len(servers) > 1:
        yield Problem(
            key="groups",
            given=f"servers on {', '.join(sorted(servers))}",
            why="etcd's members must reach each other's private addresses",
            write="put all servers on one platform (existing hosts: with a privateAddress each)",
        )
    if topology.spans(nodes):
        yield from _spanning(draft, nodes)
    if draft.network is not None and "metallb" in draft.network.profiles:
        for cloud in (p for p in CLOUDS if p in {node.platform for node in nodes}):
            yield Problem(
                key="network.profiles",
                given="metallb",
                why=f"{cloud} carries no addresses that nodes announce by ARP or BGP",
                write="leave it out; the cloud's own balancers are profile cloud-balancers",
            )
    yield from _overlapping_networks(draft, nodes)


def _spanning(draft: Draft, nodes: list[Node]) -> Iterator[Problem]:
    networks = ", ".join(sorted({node.network for node in nodes}))
    k3s = draft.k3s
    if k3s is not None and k3s.flannel_backend == "vxlan":
        yield Problem(
            key="k3s.flannelBackend",
            given="vxlan",
            why=f"nodes are on {networks}, and VXLAN over the internet would be in clear",
            write="leave it out: wireguard-native is the default there",
        )
    if k3s is not None and k3s.dual_stack and any(n.platform == "existing" for n in nodes):
        yield Problem(
            key="k3s.clusterCidrIpv6",
            given=k3s.cluster_cidr_ipv6,
            why="dual stack over several networks needs both families on every node, and an "
            "existing host has one address",
            write="leave clusterCidrIpv6 and serviceCidrIpv6 out",
        )
    if draft.network is not None and draft.network.nodes == "private":
        yield Problem(
            key="network.nodes",
            given="private",
            why=f"nodes are on {networks}, and reach each other over public addresses alone",
            write="write public, or put all groups on one platform",
        )


def _overlapping_networks(draft: Draft, nodes: list[Node]) -> Iterator[Problem]:
    used = {node.platform for node in nodes}
    cidrs: dict[str, IPv4Network] = {}
    if draft.aws is not None and "aws" in used:
        cidrs["aws.cidr"] = draft.aws.cidr
    if draft.digitalocean is not None and "digitalocean" in used:
        cidrs["digitalocean.cidr"] = draft.digitalocean.cidr
    for (first, one), (second, other) in itertools.combinations(cidrs.items(), 2):
        if one.overlaps(other):
            yield Problem(
                key=second,
                given=other,
                why=f"it overlaps {first} {one}, and two nodes could have one address",
                write="write a range of its own, such as 10.50.0.0/16",
            )
    for name, host in draft.existing.hosts.items() if draft.existing else ():
        for key, cidr in cidrs.items():
            if host.private_address is not None and host.private_address in cidr:
                yield Problem(
                    key=f"existing.hosts.{name}.privateAddress",
                    given=host.private_address,
                    why=f"it is within {key} {cidr}, and two nodes could have one address",
                    write=f"write another range for {key}",
                )
