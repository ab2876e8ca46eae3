"""Which address range and which zone belongs to what: plain values, no list's order in them."""

import hashlib
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from components.groups import Role
from components.network import NetworkSettings
from components.platforms.aws.catalog import ZONES

Side = Literal["public", "private"]

# Sixteen blocks of a VPC: six zones on either side, the rest stays free.
BLOCK_BITS = 4
_FIRST_BLOCK: dict[Side, int] = {"public": 0, "private": 8}
_IPV6_PREFIX = 64


def block(side: Side, zone: str) -> int:
    """A subnet's number among the sixteen, which another zone's coming or going never moves."""
    return _FIRST_BLOCK[side] + ZONES.index(zone)


def subnet(vpc: IPv4Network, side: Side, zone: str) -> IPv4Network:
    """A zone's range, a sixteenth of the VPC's: of a /16, a /20."""
    size = 2 ** (32 - vpc.prefixlen - BLOCK_BITS)
    first = vpc.network_address + block(side, zone) * size
    return IPv4Network((first, vpc.prefixlen + BLOCK_BITS))


def subnet_ipv6(vpc: str, side: Side, zone: str) -> str:
    """A zone's /64 of the /56 that AWS gives to a VPC."""
    network = IPv6Network(vpc)
    first = network.network_address + block(side, zone) * 2 ** (128 - _IPV6_PREFIX)
    return str(IPv6Network((first, _IPV6_PREFIX)))


def zone_of(key: str, zones: Sequence[str]) -> str:
    """The zone of the node `key`: numbered ones take the zones in turn, others by their name."""
    if key.isdecimal() and int(key) > 0:
        return zones[(int(key) - 1) % len(zones)]
    return zones[int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % len(zones)]


def is_fixed(role: Role, network: NetworkSettings, *, spans: bool) -> bool:
    """Whether a node has an Elastic IP.

    Servers do unless settings say otherwise; agents where other networks reach them by it.
    """
    if network.nodes == "private":
        return False
    chosen = network.fixed_addresses or ("all" if spans else "servers")
    return chosen == "all" or (chosen == "servers" and role == "server")


def nat_zones(zones: Sequence[str], nat: Literal["one", "zonal"]) -> tuple[str, ...]:
    """The zones that have a NAT gateway, with private nodes: the first one listed, or each."""
    return tuple(zones) if nat == "zonal" else (zones[0],)
