"""What the packets of nodes come from, outside their own network: expected, and then known."""

from collections.abc import Iterator, Mapping, Sequence

import pulumi

from components.network import NetworkSettings
from components.platforms.aws.ingress import Host
from components.platforms.machine import Machine
from components.topology import Node

Hosts = Mapping[str, Sequence[Host]]


def known(
    machines: Sequence[Machine], nats: Mapping[str, pulumi.Output[str]]
) -> tuple[Hosts, Mapping[Host, pulumi.Output[str]]]:
    """Of each machine its hosts by name, and the address of every host.

    `nats` are the addresses of NAT gateways by zone: behind them, all nodes here have those in
    common.
    """
    shared = {Host(label=nat_label(zone), family=4): address for zone, address in nats.items()}
    found: dict[str, Sequence[Host]] = {}
    of: dict[Host, pulumi.Output[str]] = dict(shared)
    for machine in machines:
        own = dict(_of(machine))
        if nats and machine.network == "aws":
            own = {host: address for host, address in own.items() if host.family == 6}
            found[machine.name] = [*shared, *own]
        else:
            found[machine.name] = list(own)
        of |= own
    return found, of


def _of(machine: Machine) -> Iterator[tuple[Host, pulumi.Output[str]]]:
    for suffix, side in (("", machine.public), ("-egress", machine.egress)):
        if side.ipv4 is not None:
            yield Host(label=f"{machine.name}{suffix}", family=4), side.ipv4
        if side.ipv6 is not None:
            yield Host(label=f"{machine.name}{suffix}", family=6), side.ipv6


def expected(nodes: Sequence[Node], network: NetworkSettings, *, nats: Sequence[str]) -> Hosts:
    """The same before there are machines; of other platforms' nodes never fewer than there will be.

    A Droplet with a reserved IP sends from its own address; an existing host has either family.
    """
    found: dict[str, Sequence[Host]] = {}
    for node in nodes:
        ipv6 = [Host(label=node.name, family=6)] if network.ipv6 else []
        ipv4 = [Host(label=node.name, family=4)]
        if node.platform == "aws" and nats:
            ipv4 = [Host(label=nat_label(zone), family=4) for zone in nats]
        elif node.platform == "digitalocean" and _is_reserved(node, network):
            ipv4.append(Host(label=f"{node.name}-egress", family=4))
        found[node.name] = [*ipv4, *ipv6]
    return found


def _is_reserved(node: Node, network: NetworkSettings) -> bool:
    """Whether a Droplet has a reserved IP, which none has unless settings say so."""
    chosen = network.fixed_addresses
    return chosen == "all" or (chosen == "servers" and node.role == "server")


def nat_label(zone: str) -> str:
    """How rules call a zone's NAT gateway."""
    return f"nat-{zone}"
