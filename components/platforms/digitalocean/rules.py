"""A plan's rules as DigitalOcean counts them: one rule a protocol and port, with all its sources.

A firewall takes 50 rules, a rule 1,000 sources:
https://docs.digitalocean.com/products/networking/firewalls/details/limits/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from components.firewall import Protocol
from components.platforms.plan import Rule, Source

# The row that is in force before there is anything to be reached but SSH.
SSH = "ssh"
# In dual stack flannel needs one interface with both families, and the VPC's has no IPv6: so both
# tunnels run between the Droplets' public addresses, and whether a tag stands for these as well is
# not documented. https://docs.digitalocean.com/products/networking/ipv6/details/limits/
Family = Literal["ipv4", "ipv6"]
_DUAL_STACK = "wireguard-v6"
_OVER_PUBLIC: Mapping[str, Family] = {"wireguard": "ipv4", _DUAL_STACK: "ipv6"}


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One rule of a firewall. `ports` as in a row.

    `public`: groups come from their nodes' public addresses of that family, too.
    """

    protocol: Protocol
    ports: str
    sources: tuple[Source, ...]
    public: Family | None = None


def merged(rules: Iterable[Rule]) -> list[Traffic]:
    """The rules by protocol and ports, in their order; no source twice."""
    given = list(rules)
    dual_stack = any(rule.row.name == _DUAL_STACK for rule in given)
    found: dict[tuple[Protocol, str], Traffic] = {}
    for rule in given:
        key = (rule.row.protocol, rule.row.ports)
        known = found.get(key, Traffic(protocol=key[0], ports=key[1], sources=()))
        found[key] = replace(
            known,
            sources=tuple(dict.fromkeys([*known.sources, rule.source])),
            public=known.public or (_OVER_PUBLIC.get(rule.row.name) if dual_stack else None),
        )
    return list(found.values())
