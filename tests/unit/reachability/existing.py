"""An existing host's own nftables table as the kernel applies it.

Only what the program writes is understood: chain `input`, rule after rule, the first verdict holds
(https://wiki.nftables.org/wiki-nftables/index.php/Quick_reference-nftables_in_10_minutes).
A rule of any other form stops the evaluator.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.unit import readable
from tests.unit.reachability.cloud import CannotTellError
from tests.unit.reachability.traffic import (
    LAST_PORT,
    Network,
    Packet,
    Span,
    Spans,
    common,
    holds,
    merged,
)
from tests.unit.recorder import Recording

_RULE = re.compile(
    r"(?:(?P<family>ip|ip6) saddr \{ (?P<sources>[^}]+) \} |meta nfproto ipv(?P<all>[46]) )?"
    r"(?P<protocol>tcp|udp) dport (?:\{ (?P<ports>[^}]+) \}|(?P<port>[\d-]+)) "
    r'(?P<verdict>accept|drop)(?: comment "[^"]*")?'
)
# Nothing that comes in anew from another machine: replies, the host itself, its own pods; what is
# handed on to pods is chain `published`, and no port of the host.
_OF_OTHERS = re.compile(
    r"type filter hook input priority filter - 10; policy accept;|"
    r"ct state established,related accept|"
    r'iifname "(lo|cni0|flannel\*|cali\*|vxlan(-v6)?\.calico|wireguard\.cali|wg-v6\.cali|'
    r'cilium\*|lxc\*)" accept|'
    r"ct status dnat jump published"
)
_EVERYTHING = (Span("tcp", 1, LAST_PORT), Span("udp", 1, LAST_PORT))
_EVERYWHERE: Mapping[str, Network] = {
    "4": ipaddress.ip_network("0.0.0.0/0"),
    "6": ipaddress.ip_network("::/0"),
}


@dataclass(frozen=True)
class _Rule:
    """`sources` None for anybody."""

    sources: Sequence[Network] | None
    spans: Spans
    accepts: bool


class HostTable:
    """The table of one host, from the command that puts it there."""

    def __init__(self, recording: Recording, node: str) -> None:
        command = recording.resources[f"{node}-host"]
        told = readable.shown(command)["inputs"]["stdin"]["variables"]["RULES"]
        self._rules = [rule for line in _chain(told, "input") for rule in _read(line)]

    def mentioned(self) -> Iterator[Network]:
        """Every network that a rule names."""
        for rule in self._rules:
            yield from rule.sources or ()

    def admitted(self, packet: Packet) -> Spans:
        """Ports of the host that let the packet in, be there something that listens or not."""
        taken: list[Span] = []
        left: Spans = _EVERYTHING
        for rule in self._rules:
            if rule.sources is None or holds(rule.sources, packet.address):
                if rule.accepts:
                    taken += common(left, rule.spans)
                left = _without(left, rule.spans)
        # The policy is to accept.
        return merged((*taken, *left))

    def closed(self) -> Spans:
        """Ports that are the table's business: all others are whatever the host has."""
        return merged(span for rule in self._rules if not rule.accepts for span in rule.spans)


def _chain(text: str, name: str) -> Iterator[str]:
    found = re.search(rf"^\s*chain {name} \{{\n(.*?)^\s*\}}$", text, re.M | re.S)
    if not found:
        raise CannotTellError(f"no chain {name} in {text}")
    yield from (line.strip() for line in found[1].splitlines())


def _read(line: str) -> Iterator[_Rule]:
    if _OF_OTHERS.fullmatch(line):
        return
    match = _RULE.fullmatch(line)
    if not match:
        raise CannotTellError(f"rule {line}")
    listed = match["sources"].split(", ") if match["sources"] else []
    sources = [ipaddress.ip_network(source) for source in listed]
    if match["all"]:
        sources = [_EVERYWHERE[match["all"]]]
    yield _Rule(
        sources=sources or None,
        spans=merged(
            _span(match["protocol"], ports)
            for ports in (match["ports"] or match["port"]).split(", ")
        ),
        accepts=match["verdict"] == "accept",
    )


def _span(protocol: str, ports: str) -> Span:
    low, _, high = ports.partition("-")
    return Span(protocol, int(low), int(high or low))


def _without(spans: Spans, gone: Spans) -> Spans:
    left = list(spans)
    for cut in gone:
        left = [piece for span in left for piece in _cut(span, cut)]
    return merged(left)


def _cut(span: Span, cut: Span) -> Iterator[Span]:
    if span.protocol != cut.protocol or cut.high < span.low or span.high < cut.low:
        yield span
        return
    if span.low < cut.low:
        yield Span(span.protocol, span.low, cut.low - 1)
    if cut.high < span.high:
        yield Span(span.protocol, cut.high + 1, span.high)
