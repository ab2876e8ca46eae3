"""Nodes as Droplets, with what belongs to each: host key, reserved IP, volumes."""

import ipaddress
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_digitalocean as digitalocean
from pulumi_tls import PrivateKey

from components.groups import NodeGroup
from components.platforms import cloudinit
from components.platforms.digitalocean import catalog, limits, naming
from components.platforms.digitalocean.network import Network
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.machine import Addresses, Machine, Ssh
from components.platforms.platform import Shared
from components.topology import REGION_LABEL

# https://docs.digitalocean.com/products/droplets/how-to/access-metadata/
METADATA = ("169.254.169.254",)


@dataclass(frozen=True, kw_only=True)
class Making:
    """What every machine of a cluster is made with."""

    shared: Shared
    settings: DigitalOceanSettings
    network: Network
    opts: pulumi.ResourceOptions

    def options(self, **more: Any) -> pulumi.ResourceOptions:
        """The common options and some of a resource's own."""
        return pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(**more))

    def kept(self) -> pulumi.ResourceOptions:
        """Options of what holds data or an address."""
        return self.options(protect=self.shared.protect or None)


def machines(group_name: str, group: NodeGroup, making: Making) -> list[Machine]:
    """Make the group's nodes."""
    return [
        _machine(name, group_name, group, making)
        for name in group.node_names(making.shared.cluster, group_name)
    ]


def _machine(name: str, group_name: str, group: NodeGroup, making: Making) -> Machine:
    host_key = PrivateKey(f"{name}-host-key", algorithm="ED25519", opts=making.opts)
    droplet = _droplet(name, group, host_key, making)
    _belongs(name, droplet.droplet_urn, droplet, making)
    own = Addresses(ipv4=droplet.ipv4_address, ipv6=_ipv6(name, droplet, making))
    public, attached = _public(name, group, droplet, own, making)
    return Machine(
        name=name,
        group=group_name,
        role=group.role,
        arch=group.arch,
        private=Addresses(ipv4=droplet.ipv4_address_private, ipv6=own.ipv6),
        public=public,
        # A reserved IP is for coming in: the Droplet goes out by its own address.
        egress=Addresses(ipv4=own.ipv4) if attached else Addresses(),
        ssh=Ssh(
            host=public.ipv4 or droplet.ipv4_address,
            user=cloudinit.SSH_USER,
            port=22,
            private_key=making.shared.operator.private,
            host_key=host_key.public_key_openssh,
        ),
        id=droplet.id,
        resource=droplet,
        network=naming.NETWORK,
        disks=_disks(name, group, droplet, attached, making),
        metadata=METADATA,
        cloud_init=True,
        topology={REGION_LABEL: making.settings.region},
        provider_id=pulumi.Output.concat("digitalocean://", droplet.id),
        vpc=making.network.vpc.id,
    )


def _droplet(
    name: str, group: NodeGroup, host_key: PrivateKey, making: Making
) -> digitalocean.Droplet:
    network = making.network
    return digitalocean.Droplet(
        name,
        name=name,
        region=making.settings.region,
        size=catalog.size(group.size),
        image=making.settings.image,
        vpc_uuid=network.vpc.id,
        ipv6=making.shared.network.ipv6,
        # The console's agent lets DigitalOcean's users in beside SSH, and the other reports home.
        droplet_agent=False,
        monitoring=False,
        graceful_shutdown=True,
        ssh_keys=[network.ssh_key.id],
        tags=[network.tag.name, network.tags[f"{group.role}s"].name],
        user_data=_user_data(name, group, host_key, making.shared),
        opts=making.options(
            # Its volumes and its reserved IP are taken until the old one is gone.
            delete_before_replace=True,
            ignore_changes=["image", "userData", "sshKeys"],
            replacement_trigger=making.shared.generations.get(name),
            depends_on=[network.ssh],
        ),
    )


def _user_data(
    name: str, group: NodeGroup, host_key: PrivateKey, shared: Shared
) -> pulumi.Output[str]:
    return pulumi.Output.all(
        private=host_key.private_key_openssh,
        public=host_key.public_key_openssh,
        operator=shared.operator.public,
    ).apply(
        lambda keys: cloudinit.user_data(
            hostname=name,
            host_key=keys["private"],
            host_key_pub=keys["public"],
            operator_key=keys["operator"],
            access=shared.access,
            first_boot=shared.first_boot.get(group.arch),
        )
    )


def _ipv6(name: str, droplet: digitalocean.Droplet, making: Making) -> pulumi.Output[str] | None:
    """The VPC has no IPv6: the Droplet's own address is its private one as well."""
    if not making.shared.network.ipv6:
        return None
    return droplet.ipv6_address.apply(lambda told: _without_zeros(name, told))


def _without_zeros(node: str, ipv6: str) -> str:
    """As k3s and firewalls write the address; DigitalOcean tells it with all its zeros."""
    if not ipv6:
        # https://docs.digitalocean.com/products/networking/ipv6/how-to/enable/
        raise ValueError(
            f"network.ipv6: {node} was made without IPv6 — a Droplet's image sets it up on its "
            "first boot only — take the node out and put it back, or leave network.ipv6 out"
        )
    return ipaddress.IPv6Address(ipv6).compressed


def _public(
    name: str, group: NodeGroup, droplet: digitalocean.Droplet, own: Addresses, making: Making
) -> tuple[Addresses, digitalocean.ReservedIp | None]:
    """The addresses that stay: a Droplet's own do for its life, a reserved IP outlives it."""
    if not limits.has_reserved_ip(making.shared.network, group.role):
        return own, None
    # In the project it goes with its Droplet, and cannot be moved by itself:
    # https://github.com/digitalocean/terraform-provider-digitalocean/issues/1264
    reserved = digitalocean.ReservedIp(
        f"{name}-reserved-ip",
        region=making.settings.region,
        # Assigned within its own creation: whoever has the address can reach the machine by it.
        droplet_id=droplet.id.apply(int),
        opts=making.kept(),
    )
    return Addresses(ipv4=reserved.ip_address, ipv6=own.ipv6), reserved


def _disks(
    name: str,
    group: NodeGroup,
    droplet: digitalocean.Droplet,
    attached: pulumi.Resource | None,
    making: Making,
) -> list[pulumi.Output[str]]:
    """Volumes without a file system, in the order of the settings; gives their device paths."""
    return [
        _disk(name, number, gib, droplet, attached, making)
        for number, gib in enumerate(group.disks, start=1)
    ]


def _disk(
    node: str,
    number: int,
    gib: int,
    droplet: digitalocean.Droplet,
    attached: pulumi.Resource | None,
    making: Making,
) -> pulumi.Output[str]:
    name = f"{node}-disk-{number}"
    volume = digitalocean.Volume(
        name,
        name=naming.volume(node, number),
        region=making.settings.region,
        size=gib,
        tags=[making.network.tag.name],
        opts=making.kept(),
    )
    membership = _belongs(name, volume.volume_urn, volume, making)
    attachment = digitalocean.VolumeAttachment(
        f"{name}-attachment",
        droplet_id=droplet.id.apply(int),
        volume_id=volume.id,
        opts=making.options(
            delete_before_replace=True,
            # A Droplet shuts down and then lets go of its volumes: nothing is torn from it.
            deleted_with=droplet,
            # The provider waits for its turn on a Droplet when it attaches, not when it assigns.
            depends_on=[membership, *([attached] if attached else [])],
        ),
    )
    return attachment.id.apply(lambda _: naming.device(node, number))


def _belongs(
    name: str, urn: pulumi.Output[str], thing: pulumi.Resource, making: Making
) -> digitalocean.ProjectResources:
    """Put one thing into the project; one resource each, so that no other node is touched."""
    return digitalocean.ProjectResources(
        f"{name}-in-project",
        project=making.network.project.id,
        resources=[urn],
        opts=making.options(
            # A thing that is gone cannot be handed to the account's default project.
            delete_before_replace=True,
            replace_on_changes=["resources"],
            deleted_with=thing,
        ),
    )
