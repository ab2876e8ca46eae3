"""What cannot be right between the hosts of an inventory, or between them and the cluster."""

from collections.abc import Iterator, Mapping

from components.platforms.existing import hosts as host_rules
from components.platforms.existing.hosts import Host
from components.platforms.platform import Asked
from components.problems import Problem
from components.topology import CLOUDS


def problems(hosts: Mapping[str, Host], asked: Asked) -> Iterator[Problem]:
    """Mistakes of the inventory."""
    for name, host in hosts.items():
        yield from host_rules.problems(_key(name), host)
    yield from _one_host_twice(hosts)
    for name in sorted({n.key for n in asked.nodes if n.platform == "existing"} & set(hosts)):
        yield from _reach(name, hosts[name], asked)
        yield from _within_cluster_ranges(name, hosts[name], asked)


def _key(name: str) -> str:
    return f"existing.hosts.{name}"


def _one_host_twice(hosts: Mapping[str, Host]) -> Iterator[Problem]:
    """Two names of one host would be two nodes on it, each undoing the other's work."""
    seen: dict[object, str] = {}
    for name, host in hosts.items():
        way = (host.jump.address, host.jump.port) if host.jump else None
        marks: dict[str, object] = {"address": (host.address, host.port, way)}
        if host.private_address is not None:
            marks["privateAddress"] = host.private_address
        if host.host_key is not None:
            # The comment behind the key says nothing.
            marks["hostKey"] = tuple(host.host_key.split()[:2])
        for key, mark in marks.items():
            if (key, mark) in seen:
                yield Problem(
                    key=f"{_key(name)}.{key}",
                    given=host.model_dump(by_alias=True)[key],
                    why=f"{seen[key, mark]} has the same, and two nodes cannot be on one host",
                    write="keep one of the two names (two hosts made of one image: give each its "
                    "own host key with ssh-keygen -A)",
                )
            seen.setdefault((key, mark), name)


def _reach(name: str, host: Host, asked: Asked) -> Iterator[Problem]:
    """Whether nodes elsewhere reach the host."""
    if host.ip() is None:
        return
    clouds = sorted({node.platform for node in asked.nodes} & set(CLOUDS))
    if asked.spans and host.external() is None:
        yield Problem(
            key=f"{_key(name)}.address",
            given=host.address,
            why="nodes are on several networks and meet over IPv4 addresses that all reach",
            write="write the host's public IPv4 address as address, the other as privateAddress",
        )
    elif clouds and not host.reached_from_afar():
        yield Problem(
            key=f"{_key(name)}.address",
            given=host.address,
            why=f"nodes on {', '.join(clouds)} cannot reach an address of a private network",
            write="write the address that the internet knows the host by",
        )


def _within_cluster_ranges(name: str, host: Host, asked: Asked) -> Iterator[Problem]:
    if asked.k3s is None:
        return
    ranges = {"k3s.clusterCidr": asked.k3s.cluster_cidr, "k3s.serviceCidr": asked.k3s.service_cidr}
    for key, cidr in ranges.items():
        for address in {host.ip(), host.private_address} - {None}:
            if address in cidr:
                yield Problem(
                    key=key,
                    given=cidr,
                    why=f"{_key(name)} has {address} in it, and packets to it would go to pods",
                    write="write a range that no host and none of its networks has",
                )
