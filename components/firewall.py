"""Who may reach which port, why, and over which addresses: one table for all platforms.

Sources: https://docs.k3s.io/installation/requirements#inbound-rules-for-k3s-nodes and
https://docs.k3s.io/networking/distributed-multicloud for k3s; the requirements pages of MetalLB,
Calico, Cilium and WorkAdventure for theirs.
"""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from components.access import Cidr
from components.network import Opening, Profile, is_port_range
from components.problems import Problem

Protocol = Literal["tcp", "udp", "icmp"]
Side = Literal[
    "operator",
    "servers",
    "agents",
    "nodes",
    "registration address",
    "balancers",
    "internet",
    "listed",
]
Over = Literal["private", "public"]
Backend = Literal["vxlan", "wireguard-native", "none"]

_EVERYWHERE_4: Cidr = ipaddress.ip_network("0.0.0.0/0")
_EVERYWHERE_6: Cidr = ipaddress.ip_network("::/0")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What of a cluster decides which rows hold, and what its outside sources are.

    `ssh` and `api` are the operator's CIDRs; `spans` says that nodes are on several networks;
    `ipv6` that platforms have IPv6, `dual_stack` that pods have it too.
    """

    servers: int
    ssh: Sequence[Cidr] = ()
    api: Sequence[Cidr] = ()
    backend: Backend = "vxlan"
    spans: bool = False
    ipv6: bool = False
    dual_stack: bool = False
    embedded_registry: bool = False
    profiles: Sequence[Profile] = ()
    open: Sequence[Opening] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of traffic let in; `ports` is one port, a range such as 2379-2380, or empty.

    `cidrs` says where it comes from when the source is outside the cluster. Over private
    addresses, source and destination are on one network; over public ones, they need not be.
    """

    name: str
    protocol: Protocol
    ports: str
    source: Side
    destination: Side
    over: Over
    why: str
    cidrs: tuple[Cidr, ...] = ()

    def port_range(self) -> tuple[int, int]:
        """First and last port. Raises ValueError for ICMP, which has none."""
        low, _, high = self.ports.partition("-")
        return int(low), int(high or low)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the table, and when it holds: `condition` for people, `holds` for the program."""

    row: Row
    condition: str = "always"
    holds: Callable[[Facts], bool] = field(default=lambda _: True)


def _row(
    name: str, traffic: str, source: Side, destination: Side, over: Over, why: str
) -> Callable[..., Entry]:
    protocol, _, ports = traffic.partition(" ")
    kinds: dict[str, Protocol] = {"tcp": "tcp", "udp": "udp", "icmp": "icmp"}
    row = Row(
        name=name,
        protocol=kinds[protocol],
        ports=ports,
        source=source,
        destination=destination,
        over=over,
        why=why,
    )

    def entry(condition: str = "always", holds: Callable[[Facts], bool] | None = None) -> Entry:
        return Entry(row=row, condition=condition, holds=holds or (lambda _: True))

    return entry


def _with(profile: Profile) -> tuple[str, Callable[[Facts], bool]]:
    return f"profile {profile}", lambda facts: profile in facts.profiles


def _wireguard(facts: Facts) -> bool:
    return facts.backend == "wireguard-native"


_SPANS = "the cluster spans networks"
_REGISTRY = ("k3s.embeddedRegistry", lambda facts: facts.embedded_registry)

# fmt: off
TABLE: tuple[Entry, ...] = (
    _row("ssh", "tcp 22", "operator", "nodes", "public",
         "every step on a node is one SSH session of the operator's")(),
    _row("api", "tcp 6443", "operator", "registration address", "public",
         "kubectl and Helm speak to the API")(),
    _row("api-registration", "tcp 6443", "nodes", "registration address", "public",
         "nodes join through the one address that no single server owns")(),
    _row("api-balancer", "tcp 6443", "registration address", "servers", "private",
         "the registration address hands on what it takes in")(),
    _row("api-nodes", "tcp 6443", "nodes", "servers", "private",
         "nodes follow the API and the supervisor on every server")(),
    _row("api-nodes-public", "tcp 6443", "nodes", "servers", "public",
         "nodes on other networks follow the API over public addresses")(
        _SPANS, lambda facts: facts.spans),
    _row("etcd", "tcp 2379-2380", "servers", "servers", "private",
         "embedded etcd's clients and peers")(
        "more than one server", lambda facts: facts.servers > 1),
    _row("kubelet", "tcp 10250", "nodes", "nodes", "private",
         "logs, exec and metrics come from the kubelet")(),
    _row("vxlan", "udp 8472", "nodes", "nodes", "private",
         "pods on different nodes speak over VXLAN, which is not encrypted")(
        "k3s.flannelBackend: vxlan", lambda facts: facts.backend == "vxlan"),
    _row("wireguard", "udp 51820", "nodes", "nodes", "private",
         "pods on different nodes speak over WireGuard")(
        "k3s.flannelBackend: wireguard-native, one network",
        lambda facts: _wireguard(facts) and not facts.spans),
    _row("wireguard-v6", "udp 51821", "nodes", "nodes", "private",
         "IPv6 pods on different nodes speak over a WireGuard tunnel of their own")(
        "k3s.flannelBackend: wireguard-native, one network, dual stack",
        lambda facts: _wireguard(facts) and not facts.spans and facts.dual_stack),
    _row("wireguard-public", "udp 51820", "nodes", "nodes", "public",
         "pods speak over WireGuard between the nodes' external addresses")(
        f"k3s.flannelBackend: wireguard-native, {_SPANS}",
        lambda facts: _wireguard(facts) and facts.spans),
    _row("wireguard-public-v6", "udp 51821", "nodes", "nodes", "public",
         "IPv6 pods speak over a WireGuard tunnel of their own, between external addresses")(
        f"k3s.flannelBackend: wireguard-native, {_SPANS}, dual stack",
        lambda facts: _wireguard(facts) and facts.spans and facts.dual_stack),
    _row("registry-peers", "tcp 5001", "nodes", "nodes", "private",
         "the embedded registry's nodes find each other's images")(*_REGISTRY),
    _row("registry", "tcp 6443", "nodes", "nodes", "private",
         "the embedded registry serves images on every node, agents included")(*_REGISTRY),
    _row("metallb-tcp", "tcp 7946", "nodes", "nodes", "private",
         "MetalLB's speakers tell each other who is alive")(*_with("metallb")),
    _row("metallb-udp", "udp 7946", "nodes", "nodes", "private",
         "MetalLB's speakers tell each other who is alive")(*_with("metallb")),
    _row("node-exporter", "tcp 9100", "nodes", "nodes", "private",
         "Prometheus reads each node's figures from its exporter")(*_with("prometheus")),
    _row("calico-bgp", "tcp 179", "nodes", "nodes", "private",
         "Calico's nodes tell each other their routes")(*_with("calico-bgp")),
    _row("calico-typha", "tcp 5473", "nodes", "nodes", "private",
         "Calico's nodes take the API's news from Typha")(*_with("calico")),
    _row("calico-vxlan", "udp 4789", "nodes", "nodes", "private",
         "pods on different nodes speak over Calico's VXLAN, which is not encrypted")(
        *_with("calico")),
    _row("calico-wireguard", "udp 51820", "nodes", "nodes", "private",
         "pods on different nodes speak over Calico's WireGuard")(*_with("calico-wireguard")),
    _row("calico-wireguard-v6", "udp 51821", "nodes", "nodes", "private",
         "IPv6 pods on different nodes speak over a WireGuard tunnel of their own")(
        "profile calico-wireguard, dual stack",
        lambda facts: "calico-wireguard" in facts.profiles and facts.dual_stack),
    _row("cilium-vxlan", "udp 8472", "nodes", "nodes", "private",
         "pods on different nodes speak over Cilium's VXLAN, which is not encrypted")(
        *_with("cilium")),
    _row("cilium-health", "tcp 4240", "nodes", "nodes", "private",
         "Cilium's agents check each other")(*_with("cilium")),
    _row("cilium-hubble", "tcp 4244", "nodes", "nodes", "private",
         "Hubble's relay reads each node's flows")(*_with("cilium-hubble")),
    _row("cilium-wireguard", "udp 51871", "nodes", "nodes", "private",
         "pods on different nodes speak over Cilium's WireGuard")(*_with("cilium-wireguard")),
    _row("http", "tcp 80", "internet", "nodes", "public",
         "an ingress controller answers on the nodes themselves")(
        "profile ingress, without cloud-balancers",
        lambda facts: "ingress" in facts.profiles and "cloud-balancers" not in facts.profiles),
    _row("https", "tcp 443", "internet", "nodes", "public",
         "an ingress controller answers on the nodes themselves")(
        "profile ingress, without cloud-balancers",
        lambda facts: "ingress" in facts.profiles and "cloud-balancers" not in facts.profiles),
    _row("node-ports", "tcp 30000-32767", "balancers", "nodes", "private",
         "the cloud's balancers hand on to NodePorts")(*_with("cloud-balancers")),
    _row("node-health", "tcp 10256", "balancers", "nodes", "private",
         "the cloud's balancers ask kube-proxy whether a node takes traffic")(
        *_with("cloud-balancers")),
    _row("workadventure-http", "tcp 80", "internet", "nodes", "public",
         "WorkAdventure's pages, and the certificates' challenges")(*_with("workadventure")),
    _row("workadventure-https", "tcp 443", "internet", "nodes", "public",
         "WorkAdventure's pages and WebSockets")(*_with("workadventure")),
    _row("workadventure-stun", "udp 3478", "internet", "nodes", "public",
         "coturn: STUN and TURN for WorkAdventure's calls")(*_with("workadventure")),
    _row("workadventure-turn", "udp 5349", "internet", "nodes", "public",
         "coturn: TURN over DTLS for WorkAdventure's calls")(*_with("workadventure")),
    _row("workadventure-media", "udp 10000-20000", "internet", "nodes", "public",
         "the media of WorkAdventure's calls")(*_with("workadventure")),
    _row("icmp", "icmp", "nodes", "nodes", "private",
         "path MTU discovery and ping between nodes")(),
)
# fmt: on


# What nobody opens by the way: an entry of network.open names such a port alone, or leaves it out.
_GUARDED = frozenset({"ssh", "api", "etcd", "kubelet", "vxlan", "node-exporter"})


def problems(openings: Sequence[Opening]) -> Iterator[Problem]:
    """Ranges that take in a port of the cluster's own; entries whose ports are none are left out.

    Such a port is opened by an entry that names it alone, never as one of a thousand.
    """
    guarded = [entry.row for entry in TABLE if entry.row.name in _GUARDED]
    for opening in openings:
        wide = _opened(opening)
        low, high = wide.port_range() if is_port_range(opening.ports) else (0, 0)
        for row in guarded:
            first, last = row.port_range()
            within = first <= low and high <= last
            if row.protocol == wide.protocol and low <= last and first <= high and not within:
                yield Problem(
                    key=f"network.open.{opening.name}.ports",
                    given=opening.ports,
                    why=f"{row.protocol} {row.ports} is in it: {row.why}",
                    write=f"write ranges that leave it out, or an entry for {row.ports} alone",
                )


def rows(facts: Facts) -> list[Row]:
    """The rows that hold for a cluster, in the order of the table, outside sources filled in."""
    held = [_filled(entry.row, facts) for entry in TABLE if entry.holds(facts)]
    return [*held, *map(_opened, facts.open)]


def _filled(row: Row, facts: Facts) -> Row:
    if row.source == "operator":
        return replace(row, cidrs=tuple(facts.ssh if row.name == "ssh" else facts.api))
    if row.source == "internet":
        return replace(row, cidrs=(_EVERYWHERE_4, *((_EVERYWHERE_6,) if facts.ipv6 else ())))
    return row


def _opened(opening: Opening) -> Row:
    return Row(
        name=f"open-{opening.name}",
        protocol=opening.protocol,
        ports=opening.ports,
        source="listed",
        destination=opening.to,
        over="public",
        why="network.open lists it",
        cidrs=tuple(opening.source),
    )
