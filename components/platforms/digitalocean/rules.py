"""A plan's rules as DigitalOcean counts them: one rule a protocol and port, with all its sources.

A firewall takes 50 rules, a rule 1,000 sources:
https://docs.digitalocean.com/products/networking/firewalls/details/limits/
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from components.firewall import Protocol
from components.platforms.plan import Rule, Source

# The row that is in force before there is anything to be reached but SSH.
SSH = "ssh"
# Rows between nodes of one network whose packets go to their IPv6 addresses: the VPC has none,
# and whether a tag stands for its Droplets' IPv6 addresses too is not documented.
OVER_IPV6 = frozenset({"wireguard-v6"})


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One rule of a firewall. `ports` as in a row; `over_ipv6`: public IPv6 addresses count too."""

    protocol: Protocol
    ports: str
    sources: tuple[Source, ...]
    over_ipv6: bool = False


def merged(rules: Iterable[Rule]) -> list[Traffic]:
    """The rules by protocol and ports, in their order; no source twice."""
    found: dict[tuple[Protocol, str], Traffic] = {}
    for rule in rules:
        key = (rule.row.protocol, rule.row.ports)
        known = found.get(key, Traffic(protocol=key[0], ports=key[1], sources=()))
        found[key] = replace(
            known,
            sources=tuple(dict.fromkeys([*known.sources, rule.source])),
            over_ipv6=known.over_ipv6 or rule.row.name in OVER_IPV6,
        )
    return list(found.values())
