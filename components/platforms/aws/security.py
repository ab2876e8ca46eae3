"""Security groups, made closed; every opening is a resource of its own."""

import ipaddress
import re
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import ec2, vpc

from components.platforms.aws.ingress import GroupName, Host, Ingress, Members, Vpc, label
from components.platforms.aws.site import Site

Groups = Mapping[GroupName, ec2.SecurityGroup]

_EVERYWHERE = {"ipv4": {"cidr_ipv4": "0.0.0.0/0"}, "ipv6": {"cidr_ipv6": "::/0"}}
# What AWS takes in a rule's description:
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRuleUpdate.html
_REFUSED = re.compile(r"[^A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]")
_LONGEST = 255


def groups(site: Site, network: ec2.Vpc) -> Groups:
    """A group for each kind of machine that there is here, and for the balancer."""
    wanted: dict[GroupName, tuple[str, bool]] = {
        "servers": ("k3s servers", "server" in site.roles),
        "agents": ("k3s agents", "agent" in site.roles),
        "balancer": ("The registration address in front of the servers", "server" in site.roles),
        "bastion": ("The way to nodes that have no public address", site.private),
    }
    return {
        name: ec2.SecurityGroup(
            f"{site.cluster}-{name}",
            vpc_id=network.id,
            description=description,
            tags=site.tags(f"{site.cluster}-{name}"),
            opts=site.opts,
        )
        for name, (description, here) in wanted.items()
        if here
    }


def let_in(
    site: Site,
    groups: Groups,
    network: ec2.Vpc,
    wanted: Sequence[Ingress],
    known: Mapping[Host, pulumi.Output[str]],
) -> list[pulumi.Resource]:
    """One resource for each rule; `known` are the addresses of hosts."""
    return [
        vpc.SecurityGroupIngressRule(
            f"{site.cluster}-{one.name}",
            security_group_id=groups[one.target].id,
            ip_protocol=one.protocol,
            from_port=_ports(one)[0],
            to_port=_ports(one)[1],
            description=described(one),
            tags=site.tags(f"{site.cluster}-{one.name}"),
            opts=site.opts,
            **_source(one, groups, network, known),
        )
        for one in wanted
    ]


def let_out(site: Site, groups: Groups) -> list[pulumi.Resource]:
    """Nodes go anywhere; the balancer to servers alone; the bastion to nodes, and for updates."""
    families = ("ipv4", "ipv6") if site.ipv6 else ("ipv4",)
    made: list[pulumi.Resource] = []
    for name in groups:
        if name in ("servers", "agents"):
            made += [
                _egress(site, groups, name, "all", _EVERYWHERE[family], family)
                for family in families
            ]
        elif name == "balancer":
            made.append(_egress(site, groups, name, "tcp 6443", _to(groups, "servers"), "servers"))
        else:
            made += _of_bastion(site, groups, families)
    return made


def _of_bastion(site: Site, groups: Groups, families: Sequence[str]) -> list[pulumi.Resource]:
    """Ubuntu's security updates come over 80, GitHub's keys over 443."""
    nodes: list[GroupName] = [name for name in ("servers", "agents") if name in groups]
    return [
        *(_egress(site, groups, "bastion", "tcp 22", _to(groups, name), name) for name in nodes),
        *(
            _egress(site, groups, "bastion", f"tcp {port}", _EVERYWHERE[family], family)
            for port in (80, 443)
            for family in families
        ),
    ]


def _egress(
    site: Site,
    groups: Groups,
    name: GroupName,
    traffic: str,
    where: Mapping[str, pulumi.Input[str]],
    label: str,
) -> vpc.SecurityGroupEgressRule:
    protocol, _, port = traffic.partition(" ")
    full = f"{site.cluster}-{name}-out-{traffic.replace(' ', '-')}-{label}"
    return vpc.SecurityGroupEgressRule(
        full,
        security_group_id=groups[name].id,
        ip_protocol="-1" if protocol == "all" else protocol,
        from_port=int(port) if port else None,
        to_port=int(port) if port else None,
        tags=site.tags(full),
        opts=site.opts,
        **where,
    )


def _to(groups: Groups, name: GroupName) -> Mapping[str, pulumi.Input[str]]:
    return {"referenced_security_group_id": groups[name].id}


def described(one: Ingress) -> str:
    """Row, source and reason, in the letters that AWS takes: no apostrophe is among them."""
    text = f"{one.row.name} from {label(one.source)}: {one.row.why}"
    return _REFUSED.sub(" ", text)[:_LONGEST]


def _ports(one: Ingress) -> tuple[int, int]:
    """First and last port; for ICMP, every type and code."""
    return one.row.port_range() if one.row.ports else (-1, -1)


def _source(
    one: Ingress,
    groups: Groups,
    network: ec2.Vpc,
    known: Mapping[Host, pulumi.Output[str]],
) -> Mapping[str, pulumi.Input[str]]:
    match one.source:
        case Members(group=name):
            return {"referenced_security_group_id": groups[name].id}
        case Vpc(family=4):
            return {"cidr_ipv4": network.cidr_block}
        case Vpc():
            return {"cidr_ipv6": network.ipv6_cidr_block}
        case Host(family=4) as host:
            return {"cidr_ipv4": pulumi.Output.concat(known[host], "/32")}
        case Host() as host:
            return {"cidr_ipv6": pulumi.Output.concat(known[host], "/128")}
        case ipaddress.IPv4Network() as cidr:
            return {"cidr_ipv4": str(cidr)}
        case cidr:
            return {"cidr_ipv6": str(cidr)}
