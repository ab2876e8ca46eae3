"""Nodes of this machine."""

import platform

import pulumi

from components.groups import NodeGroup
from components.platforms.local.containers import Container, container
from components.platforms.local.settings import LocalSettings
from components.platforms.machine import Addresses, Machine
from components.platforms.platform import Shared

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def machines(
    cluster: str,
    group_name: str,
    group: NodeGroup,
    settings: LocalSettings,
    *,
    shared: Shared,
    network: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> list[Machine]:
    """Make the group's nodes."""
    return [
        _machine(
            name,
            group_name,
            group,
            container(cluster, name, settings, shared=shared, after=[network], opts=opts),
        )
        for name in group.node_names(cluster, group_name)
    ]


def _machine(name: str, group_name: str, group: NodeGroup, made: Container) -> Machine:
    return Machine(
        name=name,
        group=group_name,
        role=group.role,
        arch=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        private=Addresses(ipv4=pulumi.Output.from_input(made.private)),
        public=Addresses(ipv4=pulumi.Output.from_input(made.public)),
        ssh=made.ssh,
        id=made.id,
        resource=made.resource,
        network="local",
    )
