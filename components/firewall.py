"""Who may reach which port, why, and over which addresses: one table for all platforms.

Sources: k3s's inbound rules, https://docs.k3s.io/installation/requirements#inbound-rules-for-k3s-nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["tcp", "udp", "icmp"]
Side = Literal["operator", "servers", "agents", "nodes", "registration address", "internet"]
Over = Literal["private", "public"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What of a cluster decides which rows hold."""

    servers: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of traffic let in; `ports` is one port, a range such as 2379-2380, or empty."""

    name: str
    protocol: Protocol
    ports: str
    source: Side
    destination: Side
    over: Over
    why: str


@dataclass(frozen=True, kw_only=True)
class _Entry:
    row: Row
    holds: Callable[[Facts], bool]


def _always(_: Facts) -> bool:
    return True


def _entry(
    name: str,
    protocol: Protocol,
    ports: str,
    source: Side,
    destination: Side,
    over: Over,
    why: str,
    holds: Callable[[Facts], bool] = _always,
) -> _Entry:
    row = Row(
        name=name,
        protocol=protocol,
        ports=ports,
        source=source,
        destination=destination,
        over=over,
        why=why,
    )
    return _Entry(row=row, holds=holds)


# fmt: off
_TABLE = (
    _entry("ssh", "tcp", "22", "operator", "nodes", "public",
           "every step on a node is one SSH session of the operator's"),
    _entry("api", "tcp", "6443", "operator", "registration address", "public",
           "kubectl and Helm speak to the API"),
    _entry("api-from-nodes", "tcp", "6443", "nodes", "servers", "private",
           "nodes join and then follow the API; the supervisor answers on the same port"),
    _entry("etcd", "tcp", "2379-2380", "servers", "servers", "private",
           "embedded etcd's clients and peers", lambda facts: facts.servers > 1),
    _entry("kubelet", "tcp", "10250", "nodes", "nodes", "private",
           "logs, exec and metrics come from the kubelet"),
    _entry("vxlan", "udp", "8472", "nodes", "nodes", "private",
           "pods on different nodes speak over VXLAN, which is not encrypted"),
    _entry("icmp", "icmp", "", "nodes", "nodes", "private",
           "path MTU discovery and ping between nodes"),
)
# fmt: on


def rows(facts: Facts) -> list[Row]:
    """The rows that hold for a cluster, in the order of the table."""
    return [entry.row for entry in _TABLE if entry.holds(facts)]
