"""Settings of what stands before existing servers: HAProxy on a further host, kube-vip on the
servers, or a given address.

One server alone may do without: it is reached at its own addresses.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.access import Cidr
from components.platforms.existing.hosts import Host
from components.platforms.existing.kube_vip import KubeVip
from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings
from components.topology import Node

# https://www.rfc-editor.org/rfc/rfc1123#section-2.1
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class Registration(Settings):
    """Where nodes join and the API answers: `host`, `address` or `kubeVip`."""

    host: str | None = Field(
        default=None, description="a host of the inventory that is no server: HAProxy is put there"
    )
    address: str | None = Field(
        default=None,
        description="a name or IPv4 address of yours that leads to the servers, such as "
        "k3s.company.tld",
    )
    source: tuple[Cidr, ...] = Field(
        default=(),
        alias="from",
        description="with address: where your balancer's packets come from, such as [10.9.0.5/32]; "
        "left out for a DNS name of the servers themselves",
    )
    kube_vip: KubeVip | None = Field(
        default=None,
        description="an address that one server has and another takes over: "
        "{address: 10.9.0.5, interface: eth1}",
    )

    def chosen(self) -> list[str]:
        """Which of the three are given."""
        ways = {"host": self.host, "address": self.address, "kubeVip": self.kube_vip}
        return [name for name, given in ways.items() if given is not None]


def problems(
    given: Registration | None, hosts: Mapping[str, Host], asked: Asked
) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    here = [node for node in asked.nodes if node.platform == "existing"]
    servers = [node for node in here if node.role == "server"]
    if given is None:
        if len(servers) > 1:
            yield _several(servers)
        return
    if not servers:
        yield Problem(
            key="existing.registration",
            given=" and ".join(given.chosen()) or None,
            why="no server is an existing host, and their platform has a balancer of its own",
            write="leave registration out",
        )
    elif len(given.chosen()) != 1:
        yield Problem(
            key="existing.registration",
            given=" and ".join(given.chosen()) or None,
            why="one of a host, an address and kube-vip stands before the servers",
            write="write {host: NAME} with a host of existing.hosts, {address: k3s.company.tld}, "
            "or {kubeVip: {address: …, interface: …}}",
        )
    elif given.address is not None:
        yield from _address(given.address)
    elif given.kube_vip is not None:
        yield from _kube_vip(given, given.kube_vip, hosts, servers, asked)
    elif given.host is not None:
        yield from _host(given, hosts, here, asked)


def _several(servers: Sequence[Node]) -> Problem:
    return Problem(
        key="existing.registration",
        given=None,
        why=f"{len(servers)} servers, and no address in front of them that outlives each of them",
        write="write {host: NAME} with a further host of existing.hosts, "
        "{kubeVip: {address: …, interface: …}}, or {address: k3s.company.tld} with a name that "
        "leads to all of them",
    )


def _address(address: str) -> Iterator[Problem]:
    if not _is_host(address):
        yield Problem(
            key="existing.registration.address",
            given=address,
            why="neither a name nor an IPv4 address",
            write="write k3s.company.tld, or 10.9.0.5",
        )


def _is_host(text: str) -> bool:
    """Of digits and dots alone it is taken for an address by whoever resolves it."""
    if text.replace(".", "").isdigit():
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
    return _NAME.fullmatch(text) is not None


def _kube_vip(
    given: Registration,
    wanted: KubeVip,
    hosts: Mapping[str, Host],
    servers: Sequence[Node],
    asked: Asked,
) -> Iterator[Problem]:
    """The servers and all who join are in one network, and the address is nobody's."""
    key = "existing.registration.kubeVip"
    if given.source:
        yield Problem(
            key="existing.registration.from",
            given=[str(cidr) for cidr in given.source],
            why="packets come to the servers as they are, with no balancer in between",
            write="leave from out, or write address: in place of kubeVip:",
        )
    if asked.spans:
        yield Problem(
            key=key,
            given=wanted.address,
            why="nodes are on several networks, and an address told by ARP is known in one",
            write="write {host: NAME} with a host that all nodes reach, or {address: …}",
        )
    for name in sorted({server.key for server in servers} & set(hosts)):
        if not isinstance(hosts[name].private_address, ipaddress.IPv4Address):
            yield Problem(
                key=f"existing.hosts.{name}.privateAddress",
                given=hosts[name].private_address,
                why="kube-vip's address is one of the network that the servers share",
                write="write the IPv4 address that the host has there",
            )
    for name, host in hosts.items():
        if wanted.address in (host.ip(), host.private_address):
            yield Problem(
                key=f"{key}.address",
                given=wanted.address,
                why=f"{name} has it, and it would go with that host",
                write="write an address of the same network that nobody has",
            )
    yield from _within_cluster_ranges(f"{key}.address", wanted.address, asked)


def _within_cluster_ranges(
    key: str, address: ipaddress.IPv4Address, asked: Asked
) -> Iterator[Problem]:
    if asked.k3s is None:
        return
    ranges = {"k3s.clusterCidr": asked.k3s.cluster_cidr, "k3s.serviceCidr": asked.k3s.service_cidr}
    for name, cidr in ranges.items():
        if address in cidr:
            yield Problem(
                key=key,
                given=address,
                why=f"it is within {name} {cidr}, and packets to it would go to pods",
                write="write an address of the network that the servers share",
            )


def _host(
    given: Registration, hosts: Mapping[str, Host], here: Sequence[Node], asked: Asked
) -> Iterator[Problem]:
    key, name = "existing.registration.host", given.host or ""
    node = next((node for node in here if node.key == name), None)
    if given.source:
        yield Problem(
            key="existing.registration.from",
            given=[str(cidr) for cidr in given.source],
            why="where the packets of a host of the inventory come from is known",
            write="leave from out, or write address: in place of host:",
        )
    if name not in hosts:
        yield Problem(
            key=key,
            given=name,
            why="existing.hosts has no host of that name",
            write=f"write one of {', '.join(sorted(hosts))}, or add the host there",
        )
    elif node is not None and node.role == "server":
        yield Problem(
            key=key,
            given=name,
            why="it is a server: k3s has port 6443 there, and the address would go with the server",
            write="name a host that is none, an agent's perhaps",
        )
    elif node is not None and asked.k3s is not None and asked.k3s.embedded_registry:
        yield Problem(
            key=key,
            given=name,
            why="it is an agent, and the embedded registry has port 6443 there",
            write="name a host that is no node",
        )
    else:
        yield from _reach(key, name, hosts[name], asked)


def _reach(key: str, name: str, host: Host, asked: Asked) -> Iterator[Problem]:
    """HAProxy is in the servers' network, and every node and the operator reach it."""
    if host.private_address is None:
        yield Problem(
            key=key,
            given=name,
            why="it has no privateAddress, and servers let in their own network alone",
            write="write privateAddress in existing.hosts, or name a host that has one",
        )
    elif host.private_address.version == 6:
        yield Problem(
            key=key,
            given=name,
            why=f"its privateAddress is {host.private_address}, and nodes join over IPv4",
            write="write an IPv4 address of the host there",
        )
    elif asked.spans and not host.reached_from_afar():
        yield Problem(
            key=key,
            given=name,
            why="nodes are on several networks and join over an IPv4 address that all reach",
            write="name a host with a public IPv4 address",
        )
