"""The reachability of a cluster as a table that people review: who gets to which ports of what."""

import ipaddress
from collections.abc import Callable, Iterator

from tests.unit.reachability.aws import Aws
from tests.unit.reachability.cloud import Cloud
from tests.unit.reachability.promise import BALANCER
from tests.unit.reachability.traffic import Address, Packet, Spans, common
from tests.unit.reachability.world import World

# In no network that a stack file names.
STRANGER = ipaddress.ip_address("100.128.0.1")
Ask = Callable[[Packet], Spans]
Table = dict[str, dict[str, str]]


def table(world: World) -> Table:
    """By destination and then by source, ports; nodes that answer alike share a line."""
    found: Table = {}
    for kind, name, private_side, ask in _destinations(world):
        cells = dict(_cells(world, name, private_side, ask))
        # One of a kind that answers otherwise than the others shows under its own name.
        same = found.setdefault(kind, cells) == cells
        if not same:
            found[f"{kind}: {name}"] = cells
    return dict(sorted(found.items()))


def _destinations(world: World) -> Iterator[tuple[str, str, Cloud | None, Ask]]:
    for cloud in world.clouds:
        for node in sorted(cloud.nodes()):
            yield (
                f"{_name(cloud)} {world.promise.roles[node]}s",
                node,
                cloud,
                lambda packet, c=cloud, n=node: c.admitted(n, packet),
            )
        if cloud.has_balancer():
            yield f"{_name(cloud)} balancer", BALANCER, None, cloud.balancer_admitted
    for name, host in world.tables.items():
        yield (
            "existing hosts, of the ports that their tables close",
            name,
            None,
            lambda packet, h=host: common(h.admitted(packet), h.closed()),
        )


def _cells(
    world: World, destination: str, cloud: Cloud | None, ask: Ask
) -> Iterator[tuple[str, str]]:
    yield "anybody", _told(ask(Packet(STRANGER)))
    for network in sorted(set(world.promise.mentioned()), key=str):
        yield str(network), _told(ask(Packet(network[0])))
    by_kind: dict[str, set[str]] = {}
    for kind, packet in _peers(world, destination, cloud):
        by_kind.setdefault(kind, set()).add(_told(ask(packet)))
    if cloud is not None and cloud.has_balancer():
        by_kind["the balancer"] = {_told(cloud.admitted_from_balancer(destination))}
    for kind, answers in sorted(by_kind.items()):
        yield kind, " or ".join(sorted(answers))


def _peers(world: World, destination: str, cloud: Cloud | None) -> Iterator[tuple[str, Packet]]:
    if cloud is not None:
        for peer in cloud.nodes():
            if peer != destination:
                packet = Packet(cloud.private(peer), sender=peer, private=True)
                yield f"{world.promise.roles[peer]}s beside it, privately", packet
    for peer, address in world.seen_as():
        if peer != destination:
            yield f"{_home(world, peer)}, publicly", _public(peer, address)


def _public(peer: str, address: Address) -> Packet:
    return Packet(address, sender=peer)


def _home(world: World, node: str) -> str:
    cloud = next((_name(c) for c in world.clouds if node in c.nodes()), "existing")
    return f"{cloud} {world.promise.roles[node]}s"


def _name(cloud: Cloud) -> str:
    return "aws" if isinstance(cloud, Aws) else "digitalocean"


def _told(spans: Spans) -> str:
    return (
        ", ".join(
            span.protocol
            if span.protocol.startswith("icmp")
            else f"{span.protocol} {span.low}" + (f"-{span.high}" if span.high != span.low else "")
            for span in spans
        )
        or "nothing"
    )
