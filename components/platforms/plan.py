"""The firewall's rows, worked out for one network: who may send what to which group of nodes.

A cloud writes each of these rules down in its own form; nothing is decided there any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from components.access import Cidr
from components.firewall import Row
from components.groups import Role

Target = Literal["servers", "agents", "registration address"]
_ROLES: dict[str, tuple[Role, ...]] = {
    "servers": ("server",),
    "agents": ("agent",),
    "nodes": ("server", "agent"),
}
_GROUPS: dict[Role, Literal["servers", "agents"]] = {"server": "servers", "agent": "agents"}


class Member(Protocol):
    """What a plan needs of a node: a `Node` before it is made, a `Machine` after."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> Role: ...
    @property
    def network(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Addresses outside the cluster."""

    cidr: Cidr


@dataclass(frozen=True, kw_only=True)
class Group:
    """Nodes of one role in the same network, whichever they are; private addresses."""

    name: Literal["servers", "agents"]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One node, by the public addresses that its packets come from."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """The registration address in front of the servers."""


@dataclass(frozen=True, kw_only=True)
class CloudBalancers:
    """Balancers that the cloud's controller makes for Services, somewhere in the same network."""


Source = Outside | Group | Peer | Balancer | CloudBalancers


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One source that may send one kind of traffic to one group of a network's nodes."""

    row: Row
    target: Target
    source: Source


def plan(rows: Sequence[Row], members: Sequence[Member], network: str) -> list[Rule]:
    """The rules of one network's own nodes and registration address.

    `members` are all nodes of the cluster. Rows that let in the same traffic from the same source
    give one rule: clouds refuse a second one.
    """
    found: dict[object, Rule] = {}
    for row in rows:
        for target in _targets(row, members, network):
            for source in _sources(row, members, network):
                key = (row.protocol, row.ports, target, source)
                found.setdefault(key, Rule(row=row, target=target, source=source))
    return list(found.values())


def _targets(row: Row, members: Sequence[Member], network: str) -> Iterator[Target]:
    if row.destination == "registration address":
        yield "registration address"
        return
    here = {member.role for member in members if member.network == network}
    yield from (_GROUPS[role] for role in _ROLES[row.destination] if role in here)


def _sources(row: Row, members: Sequence[Member], network: str) -> Iterator[Source]:
    if row.cidrs or row.source in ("operator", "internet", "listed"):
        yield from (Outside(cidr=cidr) for cidr in row.cidrs)
    elif row.source == "registration address":
        yield Balancer()
    elif row.source == "balancers":
        yield CloudBalancers()
    elif row.over == "public":
        yield from (Peer(name=m.name) for m in members if m.role in _ROLES[row.source])
    else:
        here = {member.role for member in members if member.network == network}
        yield from (Group(name=_GROUPS[role]) for role in _ROLES[row.source] if role in here)
