"""DigitalOcean's limits, counted on the settings: what would fail in the middle of an `up`."""

from collections.abc import Iterator, Sequence

from components.groups import NodeGroup, Role
from components.network import NetworkSettings
from components.platforms import plan
from components.platforms.digitalocean import naming
from components.platforms.digitalocean.rules import SSH, Traffic, merged
from components.platforms.platform import Asked
from components.problems import Problem

# https://docs.digitalocean.com/products/networking/firewalls/details/limits/
_RULES = 50
_SOURCES = 1000
# https://docs.digitalocean.com/reference/api/digitalocean/#tag/Block-Storage-Actions
_VOLUMES = 15
_VOLUME_GIB = 16 * 1024
# https://docs.digitalocean.com/reference/api/digitalocean/#operation/volumes_create
_VOLUME_NAME = 64
# Network, broadcast, gateway and what DigitalOcean keeps, and the balancer's own addresses.
_TAKEN_ADDRESSES = 16


def has_reserved_ip(network: NetworkSettings, role: Role) -> bool:
    """Whether such a node has a reserved IP; unless settings ask, none has."""
    fixed = network.fixed_addresses
    return fixed == "all" or (fixed == "servers" and role == "server")


def volumes(asked: Asked) -> Iterator[Problem]:
    """How many, how large, and how long their names are."""
    for key, group in asked.groups.items():
        yield from _volumes(f"groups.{key}.disks", group)
        longest = max((len(n) for n in group.node_names(asked.cluster, key)), default=0)
        length = len(naming.volume("", len(group.disks))) + longest
        if group.disks and length > _VOLUME_NAME:
            yield Problem(
                key=f"groups.{key}",
                given=f"a node's name of {longest} characters",
                why=f"a volume is named after it, and {length} characters are more than "
                f"{_VOLUME_NAME}",
                write="use a shorter name for stack, group or node",
            )


def _volumes(key: str, group: NodeGroup) -> Iterator[Problem]:
    if len(group.disks) > _VOLUMES:
        yield Problem(
            key=key,
            given=f"{len(group.disks)} disks",
            why=f"a Droplet takes {_VOLUMES} volumes",
            write="write fewer and larger ones, or more nodes",
        )
    for gib in dict.fromkeys(group.disks):
        if gib > _VOLUME_GIB:
            yield Problem(
                key=key,
                given=f"{gib} GiB",
                why=f"a volume has at most {_VOLUME_GIB} GiB",
                write="write several smaller ones, such as [16384, 16384]",
            )


def addresses(asked: Asked, room: int, reserved_ips: int) -> Iterator[Problem]:
    """`room`: addresses of the VPC; `reserved_ips`: how many the account may have."""
    nodes = [node for node in asked.nodes if node.network == naming.NETWORK]
    free = room - _TAKEN_ADDRESSES
    if len(nodes) > free:
        yield Problem(
            key="digitalocean.cidr",
            given=f"{len(nodes)} nodes",
            why=f"the VPC has room for {free}",
            write="write a wider range, such as 10.30.0.0/16",
        )
    network = asked.network
    wanted = sum(network is not None and has_reserved_ip(network, n.role) for n in nodes)
    if wanted > reserved_ips:
        yield Problem(
            key="network.fixedAddresses",
            given=network.fixed_addresses if network else None,
            why=f"{wanted} nodes ask for a reserved IP, and the account may have {reserved_ips}",
            write="leave it out, or have the limit raised and write it as "
            f"digitalocean.quotas: {{reservedIps: {wanted}}}",
        )


def firewalls(asked: Asked) -> Iterator[Problem]:
    """Rules of each firewall, and sources of each rule."""
    rules = plan.plan(asked.rows, asked.nodes, naming.NETWORK)
    # SSH has a firewall of its own, with the three rules of what goes out.
    yield from _sources(merged(rule for rule in rules if rule.row.name == SSH), asked)
    for target in ("servers", "agents"):
        own = [r for r in rules if r.target == target and r.row.name != SSH]
        traffic = merged(own)
        if len(traffic) > _RULES:
            yield Problem(
                key="network.open",
                given=f"{len(traffic)} kinds of traffic to {target}",
                why=f"a firewall takes {_RULES} rules",
                write="join neighbouring ports to ranges, or leave some out",
            )
        yield from _sources(traffic, asked)


def _sources(rules: Sequence[Traffic], asked: Asked) -> Iterator[Problem]:
    for traffic in rules:
        count = sum(_count(source, traffic, asked) for source in traffic.sources)
        if count > _SOURCES:
            yield Problem(
                key="groups" if any(_is_node(s) for s in traffic.sources) else "access",
                given=f"{count} sources of {traffic.protocol} {traffic.ports}".strip(),
                why=f"a firewall's rule takes {_SOURCES}",
                write="write wider ranges instead of single addresses, or fewer nodes",
            )


def _is_node(source: plan.Source) -> bool:
    return isinstance(source, plan.Peer | plan.Group)


def _count(source: plan.Source, traffic: Traffic, asked: Asked) -> int:
    """At most: a node has its own address, a fixed one, and an IPv6 one."""
    ipv6 = bool(asked.network and asked.network.ipv6)
    match source:
        case plan.Peer():
            return 2 + ipv6
        case plan.Group():
            own = [n for n in asked.nodes if n.network == naming.NETWORK]
            named = [n for n in own if f"{n.role}s" == source.name] if traffic.public else []
            return 1 + len(named)
    return 1
