"""Settings of platform digitalocean, and what cannot be right about them."""

import ipaddress
from collections.abc import Iterator

from pydantic import Field

from components.platforms.digitalocean import catalog, limits, naming
from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings

# RFC 1918: https://docs.digitalocean.com/reference/api/digitalocean/#operation/vpcs_create
_PRIVATE = [*map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))]
_WIDEST, _NARROWEST = 16, 24


class Quotas(Settings):
    """The account's limits, where DigitalOcean has raised them."""

    # https://docs.digitalocean.com/products/networking/reserved-ips/details/limits/
    reserved_ips: int = Field(default=3, ge=0, description="reserved IPs of the account, such as 9")


class DigitalOceanSettings(Settings):
    """One region, one VPC."""

    region: str = Field(description="a region, such as fra1")
    image: str = Field(
        default="ubuntu-24-04-x64",
        description="image of a Droplet, by slug or number; Droplets that stand keep theirs",
    )
    cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.30.0.0/16"),
        description="addresses of the VPC, a CIDR such as 10.30.0.0/16",
    )
    more_sizes: tuple[str, ...] = Field(
        default=(),
        description="sizes that DigitalOcean sells and this program does not know yet, by slug",
    )
    quotas: Quotas = Field(default_factory=Quotas, description="an object such as {reservedIps: 9}")


def problems(settings: DigitalOceanSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from _groups(asked, settings.more_sizes if settings else ())
    yield from _network(asked)
    yield from _api(asked)
    yield from _dual_stack(asked)
    yield from limits.volumes(asked)
    yield from limits.firewalls(asked)
    if settings is None:
        yield Problem(
            key="digitalocean",
            given=None,
            why=f"groups {', '.join(sorted(asked.groups))} are on digitalocean",
            write="write digitalocean: {region: fra1}",
        )
        return
    yield from _region(settings.region)
    yield from _cidr(settings, asked)
    yield from limits.addresses(asked, settings.cidr.num_addresses, settings.quotas.reserved_ips)


def _region(given: str) -> Iterator[Problem]:
    known = catalog.regions()
    if given not in known:
        yield Problem(
            key="digitalocean.region",
            given=given,
            why="DigitalOcean has no such region, or closed it",
            write=f"write {catalog.nearest(given, known, 'fra1')}, or another of "
            f"{', '.join(sorted(known))}",
        )


def _groups(asked: Asked, more_sizes: tuple[str, ...]) -> Iterator[Problem]:
    """What Droplets do not come in."""
    known = {*catalog.SIZES, *catalog.sizes(), *more_sizes}
    for key, group in asked.groups.items():
        if group.size not in known:
            meant = catalog.nearest(group.size, known, "small, medium or large")
            yield Problem(
                key=f"groups.{key}.size",
                given=group.size,
                why="no size of a Droplet is called that",
                write=f"write {meant}; a size newer than this program also under "
                "digitalocean.moreSizes",
            )
        if group.zones:
            yield Problem(
                key=f"groups.{key}.zones",
                given=list(group.zones),
                why="DigitalOcean's regions have no zones",
                write="leave zones out",
            )
        if group.arch != "amd64":
            yield Problem(
                key=f"groups.{key}.arch",
                given=group.arch,
                why="all Droplets are amd64",
                write="leave arch out",
            )


def _network(asked: Asked) -> Iterator[Problem]:
    if asked.network and asked.network.nodes == "private":
        yield Problem(
            key="network.nodes",
            given="private",
            why="Droplets have public addresses here; firewalls keep out who is not named",
            write="leave nodes out",
        )


def _api(asked: Asked) -> Iterator[Problem]:
    serves = any(n.role == "server" and n.network == naming.NETWORK for n in asked.nodes)
    for cidr in asked.access.api if asked.access and serves else ():
        if cidr.version == 6:
            yield Problem(
                key="access.api",
                given=cidr,
                why="the load balancer in front of the API has an IPv4 address alone",
                write="write the IPv4 addresses that kubectl comes from",
            )


def _dual_stack(asked: Asked) -> Iterator[Problem]:
    """The VPC has no IPv6, so between nodes it goes over their public addresses.

    https://docs.digitalocean.com/products/networking/ipv6/details/limits/
    """
    if not (asked.k3s and asked.k3s.dual_stack):
        return
    in_clear = "the VPC has no IPv6, and pods' IPv6 traffic would go in clear over public addresses"
    if asked.k3s.backend(spans=asked.spans) == "vxlan":
        yield Problem(
            key="k3s.flannelBackend",
            given=asked.k3s.flannel_backend,
            why=f"{in_clear} with VXLAN",
            write="write wireguard-native, or leave clusterCidrIpv6 and serviceCidrIpv6 out",
        )
    if asked.network and "calico" in asked.network.profiles:
        yield Problem(
            key="network.profiles",
            given="calico",
            why=f"{in_clear} with its VXLAN",
            write="leave clusterCidrIpv6 and serviceCidrIpv6 out, or calico",
        )


def _cidr(settings: DigitalOceanSettings, asked: Asked) -> Iterator[Problem]:
    cidr = settings.cidr
    for why in _why_not(settings, asked):
        yield Problem(
            key="digitalocean.cidr",
            given=cidr,
            why=why,
            write="write a private range that nothing else uses, such as 10.30.0.0/16",
        )


def _why_not(settings: DigitalOceanSettings, asked: Asked) -> Iterator[str]:
    cidr, k3s = settings.cidr, asked.k3s
    if not _WIDEST <= cidr.prefixlen <= _NARROWEST:
        yield f"a VPC is a /{_WIDEST} to a /{_NARROWEST}"
    if not any(cidr.subnet_of(private) for private in _PRIVATE):
        yield "a VPC has private addresses (RFC 1918)"
    for kept in catalog.reserved(settings.region):
        if cidr.overlaps(kept):
            yield f"it overlaps {kept}, which DigitalOcean keeps for itself"
    pods = {"k3s.clusterCidr": k3s.cluster_cidr, "k3s.serviceCidr": k3s.service_cidr} if k3s else {}
    for key, taken in pods.items():
        if cidr.overlaps(taken):
            yield f"it overlaps {key} {taken}: a node and a pod or Service could have one address"
