"""Settings of platform digitalocean, and what cannot be right about them."""

import ipaddress
from collections.abc import Iterator

from pydantic import Field

from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings


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


def problems(settings: DigitalOceanSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from ()
