"""Settings of platform digitalocean, and what cannot be right about them."""

import ipaddress
from collections.abc import Iterator

from pydantic import Field

from components.groups import Role
from components.network import NetworkSettings
from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings

# All nodes here share the VPC.
NETWORK = "digitalocean"


class DigitalOceanSettings(Settings):
    """One region, one VPC."""

    region: str = Field(description="a region, such as fra1")
    image: str = Field(
        default="ubuntu-24-04-x64", description="image of a Droplet, by slug or number"
    )
    cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.30.0.0/16"),
        description="addresses of the VPC, a CIDR such as 10.30.0.0/16",
    )


def has_reserved_ip(network: NetworkSettings, role: Role) -> bool:
    """Whether such a node has a reserved IP; unless settings ask, none has."""
    fixed = network.fixed_addresses
    return fixed == "all" or (fixed == "servers" and role == "server")


def volume_name(node: str, number: int) -> str:
    """Name of a node's volume in the account, unlike any other; it begins with a letter."""
    return f"k3s-{node}-disk-{number}"


def problems(settings: DigitalOceanSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from ()
