"""Settings of platform aws, and what cannot be right about them."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings

Permission = Literal["cloud-controller", "ebs-csi"]


class Quotas(Settings):
    """The account's quotas, where AWS has raised them."""

    addresses: int = Field(default=5, ge=1, description="Elastic IPs in the region, such as 20")
    rules_per_group: int = Field(
        default=60, ge=1, description="inbound rules of a security group, such as 100"
    )


class AwsSettings(Settings):
    """One region, one VPC."""

    region: str = Field(description="a region, such as eu-central-1")
    zones: tuple[str, ...] = Field(
        default=("a", "b", "c"),
        min_length=1,
        description="zones of the region that nodes are spread over, by letter, such as [a, b, c]",
    )
    images: Mapping[Literal["amd64", "arm64"], str] = Field(
        description="an image for each architecture in use: {amd64: ami-…}; `make images` prints "
        "it, instances that stand keep theirs"
    )
    cidr: ipaddress.IPv4Network = Field(
        default=ipaddress.IPv4Network("10.20.0.0/16"),
        description="addresses of the VPC, a CIDR such as 10.20.0.0/16",
    )
    root_disk: int = Field(default=40, ge=8, description="root disk of a node, GiB, such as 40")
    nat: Literal["one", "zonal"] = Field(
        default="one", description="with private nodes: one NAT gateway, or zonal for one a zone"
    )
    permissions: tuple[Permission, ...] = Field(
        default=(),
        description="what the machines may do in AWS for controllers of your own: "
        "[cloud-controller, ebs-csi]; the add-on cloudController brings its own",
    )
    quotas: Quotas = Field(default_factory=Quotas, description="an object such as {addresses: 20}")


def problems(settings: AwsSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    # They need the settings' own type.
    from components.platforms.aws import checks, limits

    for of_cluster in checks.OF_CLUSTER:
        yield from of_cluster(asked)
    if settings is None:
        yield Problem(
            key="aws",
            given=None,
            why=f"groups {', '.join(sorted(asked.groups))} are on aws",
            write="write aws: {region: eu-central-1, images: {amd64: ami-…}}",
        )
        return
    for check in (*checks.OF_SETTINGS, *limits.CHECKS):
        yield from check(settings, asked)
