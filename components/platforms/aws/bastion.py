"""The one machine that takes SSH from outside when nodes have no public address."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import ec2
from pulumi_tls import PrivateKey

from components.platforms import cloudinit
from components.platforms.aws import catalog, instances
from components.platforms.aws.network import Network
from components.platforms.aws.security import Groups
from components.platforms.aws.site import Site
from components.platforms.machine import Ssh

_ROOT_GIB = 8


def bastion(
    site: Site,
    network: Network,
    groups: Groups,
    key: ec2.KeyPair,
    ready: Sequence[pulumi.Resource],
) -> Ssh:
    """Make it, in the first zone listed, with a host key of its own."""
    name = f"{site.cluster}-bastion"
    # Either will do: the first that there is an image for.
    arch, image = sorted(site.settings.images.items())[0]
    host_key = PrivateKey(f"{name}-host-key", algorithm="ED25519", opts=site.plain)
    plan = instances.Plan(
        image=image,
        size=catalog.BASTION_SIZES[arch],
        subnet=network.public[site.settings.zones[0]],
        group=groups["bastion"],
        key=key,
        host_key=host_key,
        root_gib=_ROOT_GIB,
        role="bastion",
    )
    instance = instances.launch(site, name, plan, after=ready)
    return Ssh(
        host=instances.elastic_address(site, name, instance, "bastion"),
        user=cloudinit.SSH_USER,
        port=22,
        private_key=site.shared.operator.private,
        host_key=host_key.public_key_openssh,
    )
