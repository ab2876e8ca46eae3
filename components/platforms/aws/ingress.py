"""The rules of a plan as security groups have them: plain values, for counting and for making."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.access import Cidr
from components.firewall import Row
from components.platforms.plan import Balancer, CloudBalancers, Group, Outside, Peer, Rule

GroupName = Literal["servers", "agents", "balancer", "bastion"]
Family = Literal[4, 6]
SSH_ROW = "ssh"


@dataclass(frozen=True, kw_only=True)
class Host:
    """An address that AWS or a peer's platform gives, known by whose it is."""

    label: str
    family: Family


@dataclass(frozen=True, kw_only=True)
class Members:
    """Everything in a security group, by either family."""

    group: GroupName


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """The VPC's own range of one family."""

    family: Family


Source = Cidr | Host | Members | Vpc


@dataclass(frozen=True, kw_only=True)
class Ingress:
    """One inbound rule of a security group; `protocol` is tcp, udp, icmp or icmpv6."""

    target: GroupName
    protocol: str
    row: Row
    source: Source

    @property
    def families(self) -> tuple[Family, ...]:
        """The families it counts for: a rule that names a group counts for both.

        https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
        """
        return (4, 6) if isinstance(self.source, Members) else (_family(self.source),)

    @property
    def name(self) -> str:
        """Says all that makes it differ, and no more: AWS refuses a second rule that lets in the
        same, and Pulumi makes a renamed one before it deletes the old one.
        """
        ports = f"-{self.row.ports}" if self.row.ports else ""
        return f"{self.target}-{self.protocol}{ports}-{label(self.source)}"


def label(source: Source) -> str:
    """A source's part of names. URNs are parted by ::, which IPv6 addresses must not bring in."""
    if isinstance(source, Members):
        return source.group
    if isinstance(source, Vpc):
        return "vpc" if source.family == 4 else "vpc-ipv6"
    if isinstance(source, Host):
        return source.label if source.family == 4 else f"{source.label}-ipv6"
    return str(source).replace(":", "-")


def ingresses(
    rules: Sequence[Rule],
    *,
    hosts: Mapping[str, Sequence[Host]],
    ipv6: bool,
    bastion: bool,
    balancer: bool,
) -> list[Ingress]:
    """Inbound rules of all groups, none of them twice.

    `hosts` are the addresses that each node's packets come from elsewhere. With a `bastion`, it
    alone takes SSH from outside, and nodes take it from there. Without a `balancer`, the
    registration address is on another platform.
    """
    found: dict[str, Ingress] = {}
    for rule in rules:
        if rule.target == "registration address" and not balancer:
            continue
        for one in _of_rule(rule, hosts, ipv6=ipv6, bastion=bastion):
            found.setdefault(one.name, one)
    return list(found.values())


def _of_rule(
    rule: Rule, hosts: Mapping[str, Sequence[Host]], *, ipv6: bool, bastion: bool
) -> Iterator[Ingress]:
    target: GroupName = "balancer" if rule.target == "registration address" else rule.target
    sources = list(_sources(rule, hosts, ipv6=ipv6))
    if bastion and rule.row.name == SSH_ROW:
        for source in sources:
            yield from _by_protocol("bastion", rule.row, source, ipv6=ipv6)
        sources = [Members(group="bastion")]
    for source in sources:
        yield from _by_protocol(target, rule.row, source, ipv6=ipv6)


def _sources(rule: Rule, hosts: Mapping[str, Sequence[Host]], *, ipv6: bool) -> Iterator[Source]:
    match rule.source:
        case Outside(cidr=cidr):
            yield cidr
        case Group(name=name):
            yield Members(group=name)
        case Peer(name=name):
            yield from hosts[name]
        case Balancer():
            yield Members(group="balancer")
        case CloudBalancers():
            yield Vpc(family=4)
            if ipv6:
                yield Vpc(family=6)


def _by_protocol(target: GroupName, row: Row, source: Source, *, ipv6: bool) -> Iterator[Ingress]:
    """ICMP is two protocols, one a family."""
    if row.protocol != "icmp":
        yield Ingress(target=target, protocol=row.protocol, row=row, source=source)
        return
    families = (4, 6) if isinstance(source, Members) else (_family(source),)
    if 4 in families:
        yield Ingress(target=target, protocol="icmp", row=row, source=source)
    if 6 in families and ipv6:
        yield Ingress(target=target, protocol="icmpv6", row=row, source=source)


def _family(source: Cidr | Host | Vpc | Members) -> Family:
    if isinstance(source, ipaddress.IPv4Network):
        return 4
    if isinstance(source, ipaddress.IPv6Network):
        return 6
    if isinstance(source, Members):
        raise TypeError("a security group's members have both families")
    return source.family
