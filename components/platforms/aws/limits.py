"""What AWS has only so many of: counted from the settings, before anything is asked for."""

from collections import Counter
from collections.abc import Callable, Iterator

from components.network import NetworkSettings
from components.platforms import plan
from components.platforms.aws import addresses, catalog, ingress, peers
from components.platforms.aws.ingress import Family, GroupName
from components.platforms.aws.settings import AwsSettings
from components.platforms.platform import Asked
from components.problems import Problem

# gp3: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
_LARGEST_DISK_GIB = 16384
# The first four addresses of a subnet and the last are AWS's:
# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html. A balancer wants eight:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/network/create-network-load-balancer.html
_TAKEN = 5 + 8
_REASONS = {
    "addresses": "EC2-VPC Elastic IPs",
    "rulesPerGroup": "Inbound or outbound rules per security group",
}


def disks(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """No larger and no more of them than a machine takes."""
    for key, group in asked.groups.items():
        where = f"groups.{key}.disks"
        for gib in group.disks:
            if gib > _LARGEST_DISK_GIB:
                yield _too_large(where, gib)
        if len(group.disks) > len(catalog.DISK_LETTERS):
            yield Problem(
                key=where,
                given=f"{len(group.disks)} disks",
                why=f"AWS has device names for {len(catalog.DISK_LETTERS)} volumes of a machine",
                write="write fewer and larger ones",
            )
    if settings.root_disk > _LARGEST_DISK_GIB:
        yield _too_large("aws.rootDisk", settings.root_disk)


def _too_large(key: str, gib: int) -> Problem:
    return Problem(
        key=key,
        given=f"{gib} GiB",
        why="AWS makes gp3 volumes of 1 to 16384 GiB",
        write="write at most 16384",
    )


def subnets(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """Room for a zone's nodes in its subnet."""
    zones = Counter(
        addresses.zone_of(key, group.zones or settings.zones)
        for group in asked.groups.values()
        for key in group.node_keys()
    )
    room = 2 ** (32 - settings.cidr.prefixlen - addresses.BLOCK_BITS) - _TAKEN
    for zone, nodes in sorted(zones.items()):
        if nodes > room > 0:
            yield Problem(
                key="aws.cidr",
                given=settings.cidr,
                why=f"a zone's subnet is a sixteenth of it, with room for {room} nodes, "
                f"and zone {zone} has {nodes}",
                write="write a wider range, such as 10.20.0.0/16, or more zones",
            )


def elastic_addresses(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """Elastic IPs of nodes, NAT gateways and the bastion, against the region's quota."""
    if asked.network is None:
        return
    wanted = count_addresses(settings, asked, asked.network)
    count = sum(wanted.values())
    if count > settings.quotas.addresses:
        listed = ", ".join(f"{number} for {what}" for what, number in wanted.items() if number)
        yield _quota(
            "addresses", settings.quotas.addresses, count, f"{count} Elastic IPs ({listed})"
        )


def count_addresses(
    settings: AwsSettings, asked: Asked, network: NetworkSettings
) -> dict[str, int]:
    """Elastic IPs by what they are for."""
    private = network.nodes == "private"
    return {
        "nodes": sum(
            addresses.is_fixed(group.role, network, spans=asked.spans) * len(group.node_keys())
            for group in asked.groups.values()
        ),
        "NAT": len(addresses.nat_zones(settings.zones, settings.nat)) if private else 0,
        "the bastion": 1 if private else 0,
    }


def inbound_rules(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """Inbound rules of each security group, which AWS counts for each family by itself."""
    if asked.network is None:
        return
    quota = settings.quotas.rules_per_group
    for group, count in sorted(_most(count_rules(settings, asked, asked.network)).items()):
        if count > quota:
            yield _quota(
                "rulesPerGroup", quota, count, f"{count} inbound rules in security group {group}"
            )


def count_rules(
    settings: AwsSettings, asked: Asked, network: NetworkSettings
) -> Counter[tuple[GroupName, Family]]:
    """Inbound rules by security group and family, SSH's among them."""
    private = network.nodes == "private"
    nats = addresses.nat_zones(settings.zones, settings.nat) if private else ()
    wanted = ingress.ingresses(
        plan.plan(asked.rows, asked.nodes, "aws"),
        hosts=peers.expected(asked.nodes, network, nats=nats),
        ipv6=network.ipv6,
        bastion=private,
        balancer=any(node.platform == "aws" and node.role == "server" for node in asked.nodes),
    )
    return Counter((one.target, family) for one in wanted for family in one.families)


def _most(counted: Counter[tuple[GroupName, Family]]) -> dict[GroupName, int]:
    """Of either family the larger number."""
    most: dict[GroupName, int] = {}
    for (group, _), count in counted.items():
        most[group] = max(count, most.get(group, 0))
    return most


def _quota(name: str, quota: int, count: int, given: str) -> Problem:
    return Problem(
        key=f"aws.quotas.{name}",
        given=given,
        why=f"the quota is {quota}",
        write=f"ask AWS for more (Service Quotas, “{_REASONS[name]}”) and write "
        f"aws.quotas.{name}: {count}, or ask for less",
    )


CHECKS: tuple[Callable[[AwsSettings, Asked], Iterator[Problem]], ...] = (
    disks,
    subnets,
    elastic_addresses,
    inbound_rules,
)
