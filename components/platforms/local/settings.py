"""Settings of platform local, and the fixed addresses that they give to nodes."""

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.groups import NodeGroup
from components.k3s import requirements
from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings

# The first ten addresses of either network are the bridge's and whatever a person needs.
_RESERVED = 10
_NARROWEST = 24


class LocalSettings(Settings):
    """Containers on this machine. The two networks stand for a VPC and the internet side."""

    image: str = Field(
        default="localhost/k3s-node:latest",
        description="image of a node, systemd and sshd in it; machines that stand keep theirs",
    )
    private_cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.120.0.0/16"),
        description="addresses of the private network, a CIDR such as 10.120.0.0/16",
    )
    public_cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.121.0.0/16"),
        description="addresses of the public network, a CIDR such as 10.121.0.0/16",
    )
    memory: str | None = Field(
        default=None,
        pattern=r"^\d+[mg]$",
        description="memory of a node, such as 2g or 1500m; unset, all that this machine has; "
        "machines that stand keep theirs",
    )


def address(cidr: ipaddress.IPv4Network, node: str) -> ipaddress.IPv4Address:
    """Follows from the node's name alone, so no other node's coming or going moves it."""
    room = cidr.num_addresses - _RESERVED - 1
    number = int.from_bytes(hashlib.sha256(node.encode()).digest()[:8])
    return cidr[_RESERVED + number % room]


def registration_name(cluster: str) -> str:
    """Name of the container that stands in front of the servers."""
    return f"{cluster}-registration"


def problems(settings: LocalSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from _cannot(asked)
    if len(asked.cluster) > 40:
        yield Problem(
            key="stack",
            given=asked.cluster,
            why="names of containers, networks and volumes are made of it",
            write="use a stack name of at most 40 characters",
        )
    if settings is None:
        return
    ranges = {
        "local.privateCidr": settings.private_cidr,
        "local.publicCidr": settings.public_cidr,
    }
    for key, cidr in ranges.items():
        yield from _too_narrow(key, cidr)
    yield from _memory(settings.memory, asked)
    k3s = asked.k3s
    others = (
        {"k3s.clusterCidr": k3s.cluster_cidr, "k3s.serviceCidr": k3s.service_cidr} if k3s else {}
    )
    yield from _overlaps(ranges, others)
    nodes = [node.name for node in asked.nodes if node.platform == "local"]
    nodes.append(registration_name(asked.cluster))
    for key, cidr in ranges.items():
        if cidr.prefixlen <= _NARROWEST:
            yield from _collisions(key, cidr, nodes)


def _cannot(asked: Asked) -> Iterator[Problem]:
    """What containers on this machine do not have."""
    if asked.spans:
        yield Problem(
            key="groups",
            given=f"platforms {', '.join(sorted({node.platform for node in asked.nodes}))}",
            why="nodes elsewhere cannot reach containers on this machine",
            write="put all groups on platform local, or none",
        )
    for name, group in asked.groups.items():
        for key, given in _foreign(group).items():
            yield Problem(
                key=f"groups.{name}.{key}",
                given=given,
                why="nodes on this machine are containers, which have none of their own",
                write=f"leave {key} out",
            )
    network = asked.network
    if network and (network.nodes == "private" or network.fixed_addresses not in (None, "none")):
        yield Problem(
            key="network",
            given=network.model_dump(by_alias=True, include={"nodes", "fixed_addresses"}),
            why="containers have one private and one public address each, fixed already",
            write="leave nodes and fixedAddresses out",
        )


def _foreign(group: NodeGroup) -> Mapping[str, object]:
    given = {"zones": group.zones, "disks": group.disks, "size": group.size}
    left_out: Mapping[str, object] = {"zones": (), "disks": (), "size": "small"}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in given.items()
        if value != left_out[key]
    }


def _memory(memory: str | None, asked: Asked) -> Iterator[Problem]:
    """The same bounds that `prepare` holds a machine to, before one is made."""
    if memory is None:
        return
    found = int(memory[:-1]) * (1024 if memory.endswith("g") else 1)
    for role in sorted({node.role for node in asked.nodes if node.platform == "local"}):
        needs = requirements.MEMORY[role]
        short_of = needs.too_little(found)
        if short_of == needs.least:
            yield Problem(
                key="local.memory",
                given=memory,
                why=f"a k3s {role} does not start with less than {needs.least} MiB",
                write=f"write {needs.asked}m, or leave memory out",
            )
        elif short_of is not None and asked.requirements == "error":
            yield Problem(
                key="local.memory",
                given=memory,
                why=f"k3s asks {role}s for {needs.asked} MiB",
                write=f"write {needs.asked}m, leave memory out, or write requirements: warning",
            )


def _too_narrow(key: str, cidr: ipaddress.IPv4Network) -> Iterator[Problem]:
    if cidr.prefixlen > _NARROWEST:
        yield Problem(
            key=key,
            given=cidr,
            why=f"nodes find no address of their own in less than a /{_NARROWEST}",
            write="write a /16 such as 10.120.0.0/16",
        )


def _overlaps(
    ranges: dict[str, ipaddress.IPv4Network], others: dict[str, ipaddress.IPv4Network]
) -> Iterator[Problem]:
    seen = dict(others)
    for key, cidr in ranges.items():
        for other, taken in seen.items():
            if cidr.overlaps(taken):
                yield Problem(
                    key=key,
                    given=cidr,
                    why=f"it overlaps {other} {taken}",
                    write="write a private range that nothing else uses, such as 10.124.0.0/16",
                )
        seen[key] = cidr


def _collisions(key: str, cidr: ipaddress.IPv4Network, nodes: Sequence[str]) -> Iterator[Problem]:
    owner: dict[ipaddress.IPv4Address, str] = {}
    for node in dict.fromkeys(nodes):
        taken = address(cidr, node)
        if taken in owner:
            yield Problem(
                key=key,
                given=cidr,
                why=f"{owner[taken]} and {node} would both be {taken}: addresses follow from names",
                write="write a wider range, or another name for one of the two",
            )
        owner[taken] = node
