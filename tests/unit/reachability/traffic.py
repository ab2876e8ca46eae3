"""Packets and the ports that let them in: the plain values that all evaluators speak of."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Protocol = Literal["tcp", "udp", "icmp"]
LAST_PORT = 65535


@dataclass(frozen=True, order=True)
class Span:
    """Ports of one protocol, first and last; ICMP has none and is the span 0-0."""

    protocol: str
    low: int
    high: int


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Packet:
    """What a receiver sees: `address` is where it comes from.

    `sender` is the cluster's node that sent it, None for anybody else; `private` says that it came
    by the network that both are in, not by a public address.
    """

    address: Address
    sender: str | None = None
    private: bool = False


def merged(spans: Iterable[Span]) -> Spans:
    """The same ports in as few spans as can be: equal where the same is let in."""
    found: list[Span] = []
    for span in sorted(spans):
        last = found[-1] if found else None
        if last and last.protocol == span.protocol and span.low <= last.high + 1:
            found[-1] = Span(last.protocol, last.low, max(last.high, span.high))
        else:
            found.append(span)
    return tuple(found)


def common(one: Spans, other: Spans) -> Spans:
    """The ports that are in both."""
    return merged(
        Span(a.protocol, max(a.low, b.low), min(a.high, b.high))
        for a in one
        for b in other
        if a.protocol == b.protocol and max(a.low, b.low) <= min(a.high, b.high)
    )


def lets_in(spans: Spans, protocol: str, port: int) -> bool:
    """Whether one port is among them."""
    return any(s.protocol == protocol and s.low <= port <= s.high for s in spans)


def probes(networks: Iterable[Network], version: int) -> Iterator[Address]:
    """One address for every part of the address space that these networks tell apart.

    Every rule made of them treats all addresses of a part alike: so the answers for these few are
    the answers for all addresses there are.
    """
    edges = {0}
    for network in networks:
        if network.version == version:
            edges |= {int(network[0]), int(network[-1]) + 1}
    kind, bits = (ipaddress.IPv4Address, 32) if version == 4 else (ipaddress.IPv6Address, 128)
    yield from (kind(edge) for edge in sorted(edges) if edge < 2**bits)


def holds(networks: Iterable[Network], address: Address) -> bool:
    """Whether one of the networks has the address."""
    return any(address.version == n.version and address in n for n in networks)
