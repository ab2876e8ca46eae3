"""Which nodes there are, on which platform and in which network: plain values, before any machine.

Two nodes are in one network when they reach each other's private addresses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.groups import NodeGroup, Role

PlatformName = Literal["local", "digitalocean", "aws", "existing"]
CLOUDS: tuple[PlatformName, ...] = ("digitalocean", "aws")
# Of nodes: https://kubernetes.io/docs/reference/labels-annotations-taints/
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node to be: `name` is its host name, `key` its own part of it, such as 1."""

    name: str
    key: str
    group: str
    role: Role
    platform: PlatformName
    network: str


def nodes(
    cluster: str,
    default: PlatformName,
    groups: Mapping[str, NodeGroup],
    lone_hosts: Sequence[str] = (),
) -> list[Node]:
    """All nodes, group by group.

    Nodes of a platform share a network, except the existing hosts named in `lone_hosts`, which
    have no private address: each is a network of its own.
    """
    return [
        Node(
            name=name,
            key=key,
            group=group_name,
            role=group.role,
            platform=group.platform or default,
            network=_network(group.platform or default, key, lone_hosts),
        )
        for group_name, group in groups.items()
        for key, name in zip(group.node_keys(), group.node_names(cluster, group_name), strict=True)
    ]


def _network(platform: PlatformName, key: str, lone_hosts: Sequence[str]) -> str:
    return f"existing:{key}" if platform == "existing" and key in lone_hosts else platform


def spans(nodes: Sequence[Node]) -> bool:
    """Whether nodes are on several networks, which only public addresses join."""
    return len({node.network for node in nodes}) > 1
