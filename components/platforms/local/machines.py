"""Nodes as containers that run systemd and sshd, on both networks, with fixed addresses."""

import platform
from collections.abc import Sequence

import pulumi
from pulumi_tls import PrivateKey

from components.groups import NodeGroup
from components.platforms.local.network import network_name
from components.platforms.local.podman import script
from components.platforms.local.settings import LocalSettings, address
from components.platforms.machine import Addresses, Machine, Ssh
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
    """Make the group's nodes, each with a host key that the stack made beforehand."""
    return [
        _machine(cluster, name, group_name, group, settings, shared, [network], opts)
        for name in group.node_names(cluster, group_name)
    ]


def _machine(
    cluster: str,
    name: str,
    group_name: str,
    group: NodeGroup,
    settings: LocalSettings,
    shared: Shared,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Machine:
    host_key = PrivateKey(f"{name}-host-key", algorithm="ED25519", opts=opts)
    private = str(address(settings.private_cidr, name))
    public = str(address(settings.public_cidr, name))
    authorized = shared.operator.public.apply(
        lambda key: "".join(f"{line}\n" for line in [key.strip(), *shared.access.keys()])
    )
    container = script(
        name,
        ["podman.sh", "node.sh"],
        subject=name,
        variables={
            "CONTAINER": f"k3s-{name}",
            "NODE": name,
            "NODE_HOSTNAME": name,
            "NETWORK": network_name(cluster),
            "IMAGE": settings.image,
            "PRIVATE_IP": private,
            "PUBLIC_IP": public,
            "MEMORY": settings.memory or "",
            "HOST_KEY": host_key.private_key_openssh,
            "HOST_KEY_PUB": host_key.public_key_openssh,
            "AUTHORIZED_KEYS": authorized,
        },
        triggers=[
            network_name(cluster),
            settings.image,
            private,
            public,
            settings.memory or "",
            host_key.public_key_openssh,
            authorized,
        ],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
    )
    # Secret only for what stood on the script's standard input: a container's id is not.
    container_id = pulumi.Output.unsecret(container.stdout)
    return Machine(
        name=name,
        group=group_name,
        role=group.role,
        arch=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        private=Addresses(ipv4=pulumi.Output.from_input(private)),
        public=Addresses(ipv4=pulumi.Output.from_input(public)),
        ssh=Ssh(
            # Known only when the container answers: whatever connects waits for that.
            host=container_id.apply(lambda _: public),
            user="root",
            port=22,
            private_key=shared.operator.private,
            host_key=host_key.public_key_openssh,
        ),
        id=container_id,
        resource=container,
        network="local",
    )
