"""The text of a host's own nftables table: plain values in, what `nft -f` reads out.

The table decides about new traffic to k3s's ports alone; everything else on the host is let
through to whatever rules the host has. Two kinds of traffic are looked at:

- what arrives at a port of the host itself (hook input): ports of the firewall's table are closed
  but to those whom a rule lets in;
- what the host hands on to pods because somebody published it, by NodePort, hostPort or k3s's
  ServiceLB: addresses are translated before a filter sees them, so the original port decides.

Syntax: https://wiki.nftables.org/wiki-nftables/index.php/Quick_reference-nftables_in_10_minutes.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from components import firewall
from components.access import Cidr
from components.firewall import Protocol

# k3s's default range: https://docs.k3s.io/cli/server#networking (service-node-port-range).
_NODE_PORTS = (30000, 32767)
# Cards through which pods speak, whichever network plugin made them.
_PODS = (
    *("cni0", "flannel*"),
    *("cali*", "vxlan.calico", "vxlan-v6.calico", "wireguard.cali", "wg-v6.cali"),
    *("cilium*", "lxc*"),
)
_HERE = {4: "own4", 6: "own6"}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_WORDS = {4: "ip", 6: "ip6"}


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Sources (addresses or CIDRs, of one family or both) that may send to ports of the host."""

    name: str
    protocol: Protocol
    ports: str
    sources: tuple[str, ...]


def table(name: str, admissions: Sequence[Admission], *, ssh_port: int) -> str:
    """Text that puts the table of this name anew, at one stroke, and touches no other.

    `ssh_port` stays open whatever the table of the firewall says.
    """
    lines = [
        f"table inet {name}",
        f"delete table inet {name}",
        f"table inet {name} {{",
        *_own_addresses(),
        *_chain("input", ["type filter hook input priority filter - 10; policy accept;"], [
            *_unquestioned("iifname"),
            f'tcp dport {ssh_port} accept comment "ssh"',
            "ct status dnat jump published",
            *(line for a in admissions for line in _admitted(a, _arriving(a))),
            *(f"{kind} dport {_set(_guarded(kind))} drop" for kind in ("tcp", "udp")),
        ]),
        *_chain("forward", ["type filter hook forward priority filter - 10; policy accept;"], [
            *_unquestioned("iifname"),
            "ct status dnat jump published",
        ]),
        *_chain("published", [], [
            *(f"ct original {_WORDS[f]} daddr != @{own} return" for f, own in _HERE.items()),
            *(line for a in admissions for line in _admitted(a, _published(a))),
            *(f"meta l4proto {kind} ct original proto-dst {_span(_NODE_PORTS)} drop"
              for kind in ("tcp", "udp")),
            *(f'oifname "{card}" drop' for card in _PODS),
        ]),
        "}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _own_addresses() -> Iterator[str]:
    """The host's own addresses, noted as they are asked for: those of Services, such as MetalLB's,
    are not among them, and are not this table's."""
    for family, own in _HERE.items():
        kind = f"type {_TYPES[family]}; flags dynamic,timeout; timeout 1h; size 1024;"
        yield f"\tset {own} {{ {kind} }}"
    yield from _chain(
        "arriving",
        ["type filter hook prerouting priority dstnat - 10; policy accept;"],
        [
            f"fib daddr type local ct state new update @{own} {{ {_WORDS[family]} daddr }}"
            for family, own in _HERE.items()
        ],
    )


def _chain(name: str, head: Iterable[str], rules: Iterable[str]) -> Iterator[str]:
    yield f"\tchain {name} {{"
    yield from (f"\t\t{line}" for line in (*head, *rules))
    yield "\t}"


def _unquestioned(card: str) -> Iterator[str]:
    yield "ct state established,related accept"
    yield f'{card} "lo" accept'
    yield from (f'{card} "{pods}" accept' for pods in _PODS)


def _arriving(admission: Admission) -> str:
    return f"{admission.protocol} dport {admission.ports}"


def _published(admission: Admission) -> str:
    return f"meta l4proto {admission.protocol} ct original proto-dst {admission.ports}"


def _admitted(admission: Admission, traffic: str) -> Iterator[str]:
    networks = [ipaddress.ip_network(source) for source in admission.sources]
    for version in (4, 6):
        source = _source([n for n in networks if n.version == version], version)
        if source:
            yield f'{source} {traffic} accept comment "{admission.name}"'


def _source(networks: Sequence[Cidr], version: int) -> str:
    """What matches the networks; nft takes no ranges that overlap, nor one of length 0."""
    if not networks:
        return ""
    if any(network.prefixlen == 0 for network in networks):
        return f"meta nfproto ipv{version}"
    merged = ipaddress.collapse_addresses(networks)  # type: ignore[type-var]
    hosts = {4: 32, 6: 128}
    texts = [str(n.network_address) if n.prefixlen == hosts[version] else str(n) for n in merged]
    return f"{_WORDS[version]} saddr {{ {', '.join(texts)} }}"


def _guarded(protocol: str) -> list[tuple[int, int]]:
    """Ports of the firewall's table at which the cluster's own parts listen, merged and sorted.

    Whether a row holds for this cluster plays no part: a port that nobody was let in to is closed.
    What is for the internet (80, 443) is anybody's, and SSH's port is never closed here.
    """
    found = sorted(
        entry.row.port_range()
        for entry in firewall.TABLE
        if entry.row.protocol == protocol
        and entry.row.source not in ("internet", "listed")
        and entry.row.name != "ssh"
        # Handed on to pods, all of them: chain published closes those.
        and entry.row.port_range() != _NODE_PORTS
    )
    merged: list[tuple[int, int]] = []
    for low, high in found:
        if merged and low <= merged[-1][1]:
            low, high = merged[-1][0], max(high, merged.pop()[1])
        merged.append((low, high))
    return merged


def _set(spans: Iterable[tuple[int, int]]) -> str:
    return f"{{ {', '.join(map(_span, spans))} }}"


def _span(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"
