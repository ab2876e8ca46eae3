"""What every part of the platform is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.platforms.aws.settings import AwsSettings, Permission
from components.platforms.platform import CloudPart, Shared

_PERMISSIONS: Mapping[CloudPart, Permission] = {
    "cloud-controller": "cloud-controller",
    "csi": "ebs-csi",
}


@dataclass(frozen=True, kw_only=True)
class Site:
    """One cluster's part of AWS.

    `opts` are those of AWS's resources, the provider among them; `plain` those of others.
    """

    cluster: str
    settings: AwsSettings
    shared: Shared
    opts: pulumi.ResourceOptions
    plain: pulumi.ResourceOptions

    @property
    def private(self) -> bool:
        """Whether nodes are in private subnets, behind a NAT gateway and a bastion."""
        return self.shared.network.nodes == "private"

    @property
    def ipv6(self) -> bool:
        """Whether the VPC has IPv6 addresses, too."""
        return self.shared.network.ipv6

    @property
    def permissions(self) -> frozenset[Permission]:
        """What machines may do in AWS: as settings say, and as the add-ons need it."""
        needed = (_PERMISSIONS[part] for part in self.shared.cloud_parts)
        return frozenset([*self.settings.permissions, *needed])

    @property
    def roles(self) -> set[str]:
        """Roles that nodes have here: another platform may have the servers, or all agents."""
        return {node.role for node in self.shared.nodes if node.platform == "aws"}

    def zone_name(self, letter: str) -> str:
        """AWS's name of a zone, such as eu-central-1a."""
        return f"{self.settings.region}{letter}"

    def with_options(self, **more: Any) -> pulumi.ResourceOptions:
        """The options of AWS's resources, and more."""
        return pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(**more))

    def tags(self, name: str, role: str | None = None, **more: str) -> Mapping[str, str]:
        """Tags of one resource; the cluster's name comes with the provider's default tags.

        The controllers that run in a cluster find what is theirs by kubernetes.io/cluster:
        https://cloud-provider-aws.sigs.k8s.io/prerequisites/.
        """
        tags = {"Name": name, **more}
        if role is not None:
            tags["role"] = role
        if self.permissions:
            tags[f"kubernetes.io/cluster/{self.cluster}"] = "owned"
        return tags
