"""What cannot be right about the settings of platform aws: one rule, one function."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from components.platforms.aws import catalog, naming
from components.platforms.aws.settings import AwsSettings
from components.platforms.platform import Asked
from components.problems import Problem

_IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
# AWS takes /16 to /28: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html.
# A sixteenth of a /20 is a zone's subnet of 251 addresses.
_WIDEST, _NARROWEST = 16, 20
_PRIVATE = tuple(
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
)


def names(asked: Asked) -> Iterator[Problem]:
    """Balancers and target groups have names of 32 characters at most."""
    if len(asked.cluster) > naming.LONGEST_CLUSTER:
        yield Problem(
            key="stack",
            given=asked.cluster,
            why="the balancer's names are made of it, and AWS gives them 32 characters",
            write=f"use a stack name of at most {naming.LONGEST_CLUSTER} characters",
        )


def sizes(asked: Asked) -> Iterator[Problem]:
    """Sizes that there are, of the architecture that the group says."""
    for key, group in asked.groups.items():
        where, kind = f"groups.{key}.size", catalog.instance_type(group.size, group.arch)
        if group.size not in catalog.SIZES[group.arch] and kind not in catalog.instance_types():
            close = difflib.get_close_matches(kind, sorted(catalog.instance_types()), n=1)
            yield Problem(
                key=where,
                given=group.size,
                why="AWS has no such instance type",
                write=f"write small, medium, large or an instance type such as "
                f"{close[0] if close else 'm7i.large'}",
            )
        elif catalog.architecture(kind) != group.arch:
            yield Problem(
                key=where,
                given=group.size,
                why=f"it is {catalog.architecture(kind)}, and the group is {group.arch}",
                write=f"write arch: {catalog.architecture(kind)} beside it, or another size",
            )


def disk_paths(asked: Asked) -> Iterator[Problem]:
    """Raw disks are found by the NVMe serial number, which old types do not show."""
    for key, group in asked.groups.items():
        kind = catalog.instance_type(group.size, group.arch)
        if group.disks and not catalog.has_nvme_disks(kind):
            yield Problem(
                key=f"groups.{key}.disks",
                given=list(group.disks),
                why=f"{kind} shows no disk as an NVMe device, by which nodes find theirs",
                write="write a size on the Nitro system, such as m7i.large",
            )


def fixed_addresses(asked: Asked) -> Iterator[Problem]:
    """Elastic IPs where nodes have public addresses, and for all whom other networks reach."""
    network = asked.network
    if network is None:
        return
    chosen = network.fixed_addresses
    if network.nodes == "private" and chosen not in (None, "none"):
        yield Problem(
            key="network.fixedAddresses",
            given=chosen,
            why="private nodes have no public address that could be fixed",
            write="leave fixedAddresses out, or write nodes: public",
        )
    agents = any(group.role == "agent" for group in asked.groups.values())
    if asked.spans and (chosen == "none" or (chosen == "servers" and agents)):
        yield Problem(
            key="network.fixedAddresses",
            given=chosen,
            why="nodes on other networks reach those on aws by public addresses, which must stay",
            write="leave it out, or write all",
        )


def region(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:  # noqa: ARG001
    """One that the pinned SDK knows."""
    known = sorted(catalog.regions())
    if settings.region not in known:
        close = difflib.get_close_matches(settings.region, known, n=1)
        yield Problem(
            key="aws.region",
            given=settings.region,
            why="AWS has no such region",
            write=f"write {close[0] if close else 'a region such as eu-central-1'}",
        )


def zones(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """Letters, each once, and none in a group that the platform does not have."""
    for zone in settings.zones:
        if zone not in tuple(catalog.ZONES):
            yield Problem(
                key="aws.zones",
                given=zone,
                why="not a zone's letter",
                write="write letters of a to f without the region, such as [a, b, c]",
            )
    if len(set(settings.zones)) != len(settings.zones):
        yield Problem(
            key="aws.zones",
            given=list(settings.zones),
            why="a zone stands there twice",
            write="write each letter once",
        )
    for key, group in asked.groups.items():
        for zone in sorted(set(group.zones) - set(settings.zones)):
            yield Problem(
                key=f"groups.{key}.zones",
                given=zone,
                why=f"aws.zones are {', '.join(settings.zones)}: there is no subnet in it",
                write="write one of those, or add the letter to aws.zones",
            )


def images(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """One for each architecture in use, each by its id."""
    used = {group.arch for group in asked.groups.values()}
    for arch in sorted(used - set(settings.images)):
        yield Problem(
            key=f"aws.images.{arch}",
            given=None,
            why=f"groups are {arch}",
            write=f"write images: {{{arch}: ami-…}}; `make images` prints the newest",
        )
    for arch, image in sorted(settings.images.items()):
        if not _IMAGE.fullmatch(image):
            yield Problem(
                key=f"aws.images.{arch}",
                given=image,
                why="not an image's id",
                write="write ami- and 8 to 17 of 0-9 and a-f; `make images` prints the newest",
            )


def cidr(settings: AwsSettings, asked: Asked) -> Iterator[Problem]:
    """Private, wide enough for twelve subnets, and nobody else's."""
    given = settings.cidr
    if not _WIDEST <= given.prefixlen <= _NARROWEST:
        yield Problem(
            key="aws.cidr",
            given=given,
            why=f"AWS takes no VPC wider than a /{_WIDEST}, and less than a /{_NARROWEST} has no "
            "room for a subnet a zone",
            write=f"write a /{_WIDEST} to /{_NARROWEST}, such as 10.20.0.0/16",
        )
    if not any(given.subnet_of(private) for private in _PRIVATE):
        yield Problem(
            key="aws.cidr",
            given=given,
            why="not private addresses: nodes could not reach whose they are on the internet",
            write="write a range of RFC 1918, such as 10.20.0.0/16",
        )
    for key, taken in _ranges(asked).items():
        if given.overlaps(taken):
            yield Problem(
                key="aws.cidr",
                given=given,
                why=f"it overlaps {key} {taken}: a node and a pod or Service could have one "
                "address",
                write="write a range of its own, such as 10.20.0.0/16",
            )


def _ranges(asked: Asked) -> dict[str, ipaddress.IPv4Network]:
    if asked.k3s is None:
        return {}
    return {
        "k3s.clusterCidr": asked.k3s.cluster_cidr,
        "k3s.serviceCidr": asked.k3s.service_cidr,
    }


OF_CLUSTER: tuple[Callable[[Asked], Iterator[Problem]], ...] = (
    names,
    sizes,
    disk_paths,
    fixed_addresses,
)
OF_SETTINGS: tuple[Callable[[AwsSettings, Asked], Iterator[Problem]], ...] = (
    region,
    zones,
    images,
    cidr,
)
