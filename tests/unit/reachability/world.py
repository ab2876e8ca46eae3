"""A whole cluster as recorded, held against what its firewall's rows promise."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from components import firewall
from components.firewall import Row
from stacks.settings import parse
from tests.unit import recordings
from tests.unit.reachability.aws import Aws
from tests.unit.reachability.cloud import Cloud
from tests.unit.reachability.digitalocean import DigitalOcean
from tests.unit.reachability.existing import HostTable
from tests.unit.reachability.promise import BALANCER, BASTION, Promise
from tests.unit.reachability.traffic import (
    Address,
    Packet,
    Span,
    Spans,
    common,
    holds,
    merged,
    probes,
)
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw


@dataclass(frozen=True)
class World:
    """A recorded cluster. `hosts` are existing hosts' addresses by name, `tables` their tables."""

    clouds: tuple[Cloud, ...]
    hosts: dict[str, list[Address]]
    tables: dict[str, HostTable]
    promise: Promise

    def outsiders(self, version: int) -> list[Address]:
        """An address for each part of the internet that rules or rows tell apart."""
        mentioned = [
            *self.promise.mentioned(),
            *(network for cloud in self.clouds for network in cloud.mentioned()),
            *(network for table in self.tables.values() for network in table.mentioned()),
            *(ipaddress.ip_network(address) for address in self._known()),
            *(network for cloud in self.clouds for network in cloud.ranges()),
        ]
        inside = [network for cloud in self.clouds for network in cloud.ranges()]
        known = set(self._known())
        return [
            address
            for address in probes(mentioned, version)
            if address not in known and not holds(inside, address)
        ]

    def differences(self) -> list[str]:
        """Where the recorded rules let in something else than the rows promise."""
        return [*self._to_nodes(), *self._to_hosts(), *self._to_balancer(), *self._past_bastion()]

    def open_to(self, address: Address) -> Iterator[tuple[str, Spans]]:
        """Everything that somebody outside at that address may send packets to, and its ports."""
        for cloud in self.clouds:
            for name in (*cloud.nodes(), *cloud.others()):
                yield name, cloud.admitted(name, Packet(address))
            if cloud.has_balancer():
                yield BALANCER, cloud.balancer_admitted(Packet(address))
        for name, table in self.tables.items():
            yield name, common(table.admitted(Packet(address)), table.closed())

    def seen_as(self) -> Iterator[tuple[str, Address]]:
        """Every node with each address that others see its packets come from."""
        for cloud in self.clouds:
            for node in cloud.nodes():
                yield from ((node, address) for address in cloud.seen_as(node))
        for name, addresses in self.hosts.items():
            yield from ((name, address) for address in addresses)

    def _known(self) -> Iterator[Address]:
        for cloud in self.clouds:
            for node in cloud.nodes():
                yield cloud.private(node)
        yield from (address for _, address in self.seen_as())

    def _to_nodes(self) -> Iterator[str]:
        for cloud in self.clouds:
            outsiders = [*self.outsiders(4), *self.outsiders(6)]
            for node in cloud.nodes():
                for address in outsiders:
                    yield from _difference(
                        f"{address} to {node}",
                        cloud.admitted(node, Packet(address)),
                        self.promise.outside(address, node),
                    )
                yield from self._from_peers(cloud, node)

    def _from_peers(self, cloud: Cloud, node: str) -> Iterator[str]:
        siblings = set(cloud.nodes())
        for peer, address in self.seen_as():
            if peer == node:
                continue
            in_vpc = peer in siblings and address.version == 6 and isinstance(cloud, Aws)
            packet = Packet(address, sender=peer, private=in_vpc)
            promised = self.promise.public(peer, address, node)
            if in_vpc:
                # The one address is the public and the private one.
                promised = merged((*promised, *self.promise.private(peer, address, node)))
            elif peer in siblings and cloud.groups_hold_over_public:
                promised = merged((*promised, *self.promise.by_role(peer, node, "private")))
            yield from _difference(
                f"{peer} ({address}) to {node}", cloud.admitted(node, packet), promised
            )
        for peer in sorted(siblings - {node}):
            address = cloud.private(peer)
            packet = Packet(address, sender=peer, private=True)
            yield from _difference(
                f"{peer} ({address}, private) to {node}",
                cloud.admitted(node, packet),
                self.promise.private(peer, address, node),
            )

    def _to_hosts(self) -> Iterator[str]:
        """Of the ports that a host's table closes; the host's own rules decide about all others."""
        for name, table in self.tables.items():
            closed = table.closed()
            for address in [*self.outsiders(4), *self.outsiders(6)]:
                yield from _difference(
                    f"{address} to {name}",
                    common(table.admitted(Packet(address)), closed),
                    common(self.promise.outside(address, name), closed),
                )
            for peer, address in self.seen_as():
                if peer != name:
                    yield from _difference(
                        f"{peer} ({address}) to {name}",
                        common(table.admitted(Packet(address)), closed),
                        common(self.promise.public(peer, address, name), closed),
                    )

    def _past_bastion(self) -> Iterator[str]:
        """SSH alone, from the operator to the bastion and from there to every node."""
        for cloud in self.clouds:
            for bastion in cloud.others():
                for address in [*self.outsiders(4), *self.outsiders(6)]:
                    yield from _difference(
                        f"{address} to {bastion}",
                        cloud.admitted(bastion, Packet(address)),
                        self.promise.outside(address, BASTION),
                    )
                own = cloud.private(bastion)
                packet = Packet(own, sender=bastion, private=True)
                for node in cloud.nodes():
                    promised = (Span("tcp", 22, 22), *self.promise.neighbour(own, node))
                    yield from _difference(
                        f"{bastion} to {node}", cloud.admitted(node, packet), merged(promised)
                    )

    def _to_balancer(self) -> Iterator[str]:
        (home,) = (cloud for cloud in self.clouds if cloud.has_balancer())
        families = home.balancer_families()
        for address in (a for family in families for a in self.outsiders(family)):
            yield from _difference(
                f"{address} to the balancer",
                home.balancer_admitted(Packet(address)),
                self.promise.outside(address, BALANCER),
            )
        for peer, address in self.seen_as():
            if address.version in families:
                yield from _difference(
                    f"{peer} ({address}) to the balancer",
                    home.balancer_admitted(Packet(address, sender=peer)),
                    self.promise.public(peer, address, BALANCER),
                )
        for node in home.nodes():
            yield from _difference(
                f"the balancer to {node}",
                home.admitted_from_balancer(node),
                self.promise.balancer(node),
            )


def of_stack(stack: str, overrides: dict[str, object] | None = None) -> World:
    """The world of `Pulumi.<stack>.yaml` with other settings. Raises SettingsError."""
    settings = parse(stack, raw(stack, overrides))
    rows = firewall.rows(settings.firewall_facts(stack))
    return of_recording(recordings.of(stack, overrides), rows)


def of_recording(recording: Recording, rows: list[Row]) -> World:
    """The same of a recording and the rows that it was made by."""
    told = recording.outputs["nodes"]
    roles = {node["name"]: node["role"] for node in told}
    clouds: list[Cloud] = []
    if recording.of_type("digitalocean:index/droplet:Droplet"):
        clouds.append(DigitalOcean(recording))
    if recording.of_type("aws:ec2/instance:Instance"):
        clouds.append(Aws(recording, roles))
    made = {name for cloud in clouds for name in cloud.nodes()}
    if any(cloud.others() for cloud in clouds):
        past: Any = BASTION
        rows = [replace(row, destination=past) if row.name == "ssh" else row for row in rows]
    hosts = {
        node["name"]: [ipaddress.ip_address(a) for a in node["addresses"]["public"]]
        for node in told
        if node["name"] not in made
    }
    return World(
        clouds=tuple(clouds),
        hosts=hosts,
        tables={name: HostTable(recording, name) for name in hosts},
        promise=Promise(rows=rows, roles=roles),
    )


def _difference(what: str, found: Spans, promised: Spans) -> Iterator[str]:
    """ICMP is two protocols, one a family; a row means both."""
    told = merged(replace(s, protocol="icmp") if s.protocol == "icmpv6" else s for s in found)
    if told != promised:
        yield f"{what}: let in {_told(told)}, promised {_told(promised)}"


def _told(spans: Spans) -> str:
    return ", ".join(f"{s.protocol} {s.low}-{s.high}" for s in spans) or "nothing"
