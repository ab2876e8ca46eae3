"""The network as a cluster asks for it, whichever platform makes it."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from components.access import Cidr
from components.problems import Problem
from components.settings import Settings

Profile = Literal[
    "ingress",
    "cloud-balancers",
    "metallb",
    "prometheus",
    "calico",
    "calico-bgp",
    "calico-wireguard",
    "cilium",
    "cilium-hubble",
    "cilium-wireguard",
    "workadventure",
]
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
# An entry's name becomes part of resource names and of firewall descriptions.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


class Opening(Settings):
    """Traffic that a person lets in from outside, beyond what k3s needs."""

    name: str = Field(description="a name such as game-server: a-z, 0-9 and -")
    protocol: Literal["tcp", "udp"] = Field(description="tcp or udp")
    ports: str = Field(description='one port or a range, such as "443" or "10000-20000"')
    source: tuple[Cidr, ...] = Field(
        alias="from", min_length=1, description="where it comes from, CIDRs such as [0.0.0.0/0]"
    )
    to: Literal["nodes", "servers", "agents"] = Field(
        default="nodes", description="nodes, servers or agents"
    )


class NetworkSettings(Settings):
    """What holds on every platform of the cluster."""

    nodes: Literal["public", "private"] = Field(
        default="public",
        description="public, or private: no node has a public address (aws: NAT and a bastion)",
    )
    ipv6: bool = Field(default=False, description="true for IPv6 beside IPv4 (aws, digitalocean)")
    fixed_addresses: Literal["none", "servers", "all"] | None = Field(
        default=None,
        description="nodes that keep their public address for good: none, servers or all",
    )
    profiles: tuple[Profile, ...] = Field(
        default=(),
        description="traffic of what runs in the cluster, such as [prometheus]; see firewall.md",
    )
    open: tuple[Opening, ...] = Field(
        default=(),
        description='further openings: {name: game, protocol: udp, ports: "3478", from: [CIDR]}',
    )


def problems(network: NetworkSettings, *, ipv4_only: Sequence[str]) -> Iterator[Problem]:
    """Mistakes that no single field shows; `ipv4_only` are the platforms without IPv6."""
    seen: set[str] = set()
    for opening in network.open:
        key = f"network.open.{opening.name}"
        if not _NAME.fullmatch(opening.name):
            yield Problem(
                key="network.open",
                given=opening.name,
                why="names of firewall rules are made of it",
                write="write at most 32 of a-z, 0-9 and -, such as game-server",
            )
        if opening.name in seen:
            yield Problem(
                key=key, given=opening.name, why="two entries have it", write="rename one of them"
            )
        seen.add(opening.name)
        if not is_port_range(opening.ports):
            yield Problem(
                key=f"{key}.ports",
                given=opening.ports,
                why="neither a port nor a range",
                write='write "443", or "10000-20000" with the lower port first, 1 to 65535',
            )
        yield from _families(key, opening.source, ipv4_only)


def is_port_range(text: str) -> bool:
    """Whether it is one port, or a range with the lower one first, 1 to 65535."""
    match = _PORTS.fullmatch(text)
    if not match:
        return False
    low, high = int(match[1]), int(match[2] or match[1])
    return 1 <= low <= high <= 65535


def _families(key: str, source: Sequence[Cidr], ipv4_only: Sequence[str]) -> Iterator[Problem]:
    for cidr in source:
        if isinstance(cidr, ipaddress.IPv6Network) and ipv4_only:
            yield Problem(
                key=f"{key}.from",
                given=cidr,
                why=f"{ipv4_only[0]} has no IPv6 in these settings",
                write="write network.ipv6: true, or IPv4 addresses",
            )
