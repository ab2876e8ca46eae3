"""The VPC: a public subnet a zone, and with private nodes a private one, too, behind NAT."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2

from components.platforms.aws import addresses
from components.platforms.aws.addresses import Side
from components.platforms.aws.site import Site

_EVERYWHERE_4 = "0.0.0.0/0"
_EVERYWHERE_6 = "::/0"


@dataclass(frozen=True, kw_only=True)
class Nat:
    """A zone's way out for private nodes; `address` is what the internet sees."""

    gateway: ec2.NatGateway
    address: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Subnets by their zone's letter. `ready` is what must be there to reach the internet."""

    vpc: ec2.Vpc
    public: Mapping[str, ec2.Subnet]
    ready: Sequence[pulumi.Resource]
    private: Mapping[str, ec2.Subnet] = field(default_factory=dict)
    nats: Mapping[str, Nat] = field(default_factory=dict)

    @property
    def nodes(self) -> Mapping[str, ec2.Subnet]:
        """The subnets that nodes are in."""
        return self.private or self.public


def network(site: Site) -> Network:
    """Make it, with its routes."""
    vpc = ec2.Vpc(
        f"{site.cluster}-vpc",
        cidr_block=str(site.settings.cidr),
        assign_generated_ipv6_cidr_block=site.ipv6,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags=site.tags(site.cluster),
        opts=site.opts,
    )
    public = {zone: _subnet(site, vpc, "public", zone) for zone in site.settings.zones}
    routed = _to_the_internet(site, vpc, public)
    if not site.private:
        return Network(vpc=vpc, public=public, ready=routed)
    private = {zone: _subnet(site, vpc, "private", zone) for zone in site.settings.zones}
    nats = {
        zone: _nat(site, public[zone], zone, routed)
        for zone in addresses.nat_zones(site.settings.zones, site.settings.nat)
    }
    ways_out = _through_nat(site, vpc, private, nats)
    return Network(vpc=vpc, public=public, private=private, nats=nats, ready=[*routed, *ways_out])


def _subnet(site: Site, vpc: ec2.Vpc, side: Side, zone: str) -> ec2.Subnet:
    name = f"{site.cluster}-{side}-{zone}"
    # Where a cloud controller may put balancers: the internet's here, inner ones there.
    role = {"public": "kubernetes.io/role/elb", "private": "kubernetes.io/role/internal-elb"}[side]
    return ec2.Subnet(
        name,
        vpc_id=vpc.id,
        availability_zone=site.zone_name(zone),
        cidr_block=str(addresses.subnet(site.settings.cidr, side, zone)),
        ipv6_cidr_block=vpc.ipv6_cidr_block.apply(
            lambda cidr: addresses.subnet_ipv6(cidr, side, zone)
        )
        if site.ipv6
        else None,
        # Before its Elastic IP is attached, a machine that boots has no other way to the internet.
        map_public_ip_on_launch=side == "public",
        tags=site.tags(name, **({role: "1"} if site.permissions else {})),
        opts=site.opts,
    )


def _to_the_internet(
    site: Site, vpc: ec2.Vpc, subnets: Mapping[str, ec2.Subnet]
) -> list[pulumi.Resource]:
    """One table for all public subnets."""
    name = f"{site.cluster}-public"
    gateway = ec2.InternetGateway(
        f"{site.cluster}-gateway", vpc_id=vpc.id, tags=site.tags(site.cluster), opts=site.opts
    )
    table = ec2.RouteTable(f"{name}-routes", vpc_id=vpc.id, tags=site.tags(name), opts=site.opts)
    routes: list[pulumi.Resource] = [
        ec2.Route(
            f"{name}-ipv4",
            route_table_id=table.id,
            destination_cidr_block=_EVERYWHERE_4,
            gateway_id=gateway.id,
            opts=site.opts,
        )
    ]
    if site.ipv6:
        routes.append(
            ec2.Route(
                f"{name}-ipv6",
                route_table_id=table.id,
                destination_ipv6_cidr_block=_EVERYWHERE_6,
                gateway_id=gateway.id,
                opts=site.opts,
            )
        )
    return [*routes, *(_associated(site, name, zone, s, table) for zone, s in subnets.items())]


def _nat(site: Site, subnet: ec2.Subnet, zone: str, routed: Sequence[pulumi.Resource]) -> Nat:
    name = f"{site.cluster}-nat-{zone}"
    address = ec2.Eip(
        f"{name}-address",
        domain="vpc",
        tags=site.tags(name),
        opts=site.with_options(protect=site.shared.protect),
    )
    gateway = ec2.NatGateway(
        name,
        allocation_id=address.id,
        subnet_id=subnet.id,
        connectivity_type="public",
        tags=site.tags(name),
        # https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html: it needs a way.
        opts=site.with_options(depends_on=list(routed)),
    )
    return Nat(gateway=gateway, address=address.public_ip)


def _through_nat(
    site: Site,
    vpc: ec2.Vpc,
    subnets: Mapping[str, ec2.Subnet],
    nats: Mapping[str, Nat],
) -> list[pulumi.Resource]:
    """A table for each private subnet: out by its own zone's gateway, or by the one there is."""
    only = next(iter(nats.values()))
    made: list[pulumi.Resource] = []
    outward = (
        ec2.EgressOnlyInternetGateway(
            f"{site.cluster}-egress", vpc_id=vpc.id, tags=site.tags(site.cluster), opts=site.opts
        )
        if site.ipv6
        else None
    )
    for zone, subnet in subnets.items():
        name = f"{site.cluster}-private"
        table = ec2.RouteTable(
            f"{name}-{zone}-routes",
            vpc_id=vpc.id,
            tags=site.tags(f"{name}-{zone}"),
            opts=site.opts,
        )
        made += _ways_out(site, f"{name}-{zone}", table, nats.get(zone, only), outward)
        made.append(_associated(site, name, zone, subnet, table))
    return made


def _ways_out(
    site: Site,
    name: str,
    table: ec2.RouteTable,
    nat: Nat,
    outward: ec2.EgressOnlyInternetGateway | None,
) -> list[pulumi.Resource]:
    ipv4 = ec2.Route(
        f"{name}-ipv4",
        route_table_id=table.id,
        destination_cidr_block=_EVERYWHERE_4,
        nat_gateway_id=nat.gateway.id,
        opts=site.opts,
    )
    if outward is None:
        return [ipv4]
    ipv6 = ec2.Route(
        f"{name}-ipv6",
        route_table_id=table.id,
        destination_ipv6_cidr_block=_EVERYWHERE_6,
        egress_only_gateway_id=outward.id,
        opts=site.opts,
    )
    return [ipv4, ipv6]


def _associated(
    site: Site, name: str, zone: str, subnet: ec2.Subnet, table: ec2.RouteTable
) -> ec2.RouteTableAssociation:
    return ec2.RouteTableAssociation(
        f"{name}-{zone}-association",
        subnet_id=subnet.id,
        route_table_id=table.id,
        opts=site.opts,
    )
