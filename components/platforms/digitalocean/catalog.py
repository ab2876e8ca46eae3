"""What DigitalOcean has to offer, as far as a mistake can be told before anything is made."""

import difflib
import ipaddress
from collections.abc import Collection, Iterator

SIZES = {"small": "s-2vcpu-4gb", "medium": "s-4vcpu-8gb", "large": "s-8vcpu-16gb"}

# Opened since the SDK's list was written, and closed to anything new:
# https://docs.digitalocean.com/platform/regional-availability/
_OPENED = frozenset({"atl1", "mkc1", "ric1"})
_CLOSED = frozenset({"ams2", "sfo1"})

# https://docs.digitalocean.com/products/networking/vpc/concepts/plan-your-network/
_RESERVED = ("10.229.0.0/16", "10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24")
_RESERVED_IN = {"nyc1": ("10.10.0.0/16",)}


def size(name: str) -> str:
    """A Droplet size's slug, for a name of ours or a slug."""
    return SIZES.get(name, name)


def regions() -> frozenset[str]:
    """Slugs of the regions in which something can be made. Loads the SDK."""
    from pulumi_digitalocean import Region

    return (frozenset(region.value for region in Region) | _OPENED) - _CLOSED


def sizes() -> frozenset[str]:
    """Slugs of Droplet sizes, as far as the SDK knows them; it is loaded."""
    from pulumi_digitalocean import DropletSlug

    return frozenset(slug.value for slug in DropletSlug)


def reserved(region: str) -> Iterator[ipaddress.IPv4Network]:
    """Ranges that DigitalOcean keeps for itself: no VPC there may overlap one."""
    yield from map(ipaddress.IPv4Network, (*_RESERVED, *_RESERVED_IN.get(region, ())))


def nearest(given: str, known: Collection[str], otherwise: str) -> str:
    """What was probably meant, else `otherwise`."""
    return next(iter(difflib.get_close_matches(given, sorted(known), n=1)), otherwise)
