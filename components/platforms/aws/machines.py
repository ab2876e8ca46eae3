"""EC2 instances: IMDSv2 alone, encrypted disks, a host key that the stack made beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, iam
from pulumi_tls import PrivateKey

from components.groups import NodeGroup, Role
from components.platforms import cloudinit
from components.platforms.aws import addresses, catalog, disks
from components.platforms.aws.network import Network
from components.platforms.aws.security import Groups
from components.platforms.aws.site import Site
from components.platforms.machine import Addresses, Machine, Ssh

# Where a machine asks for its credentials and its user data; IPv6's is left off.
METADATA = ("169.254.169.254",)
# Images move on and are pinned; a key pair made anew would make every machine anew.
IGNORED = ["ami", "userData", "keyName"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What machines stand on; `ready` must be there before one boots."""

    network: Network
    groups: Groups
    key: ec2.KeyPair
    profiles: Mapping[Role, iam.InstanceProfile]
    ready: Sequence[pulumi.Resource]
    bastion: Ssh | None


def machines(site: Site, ground: Ground, name: str, group: NodeGroup) -> list[Machine]:
    """Make the group's nodes, over its zones."""
    zones = group.zones or site.settings.zones
    names = group.node_names(site.cluster, name)
    return [
        _machine(site, ground, node, name, group, addresses.zone_of(key, zones))
        for key, node in zip(group.node_keys(), names, strict=True)
    ]


def _machine(
    site: Site, ground: Ground, node: str, group_name: str, group: NodeGroup, zone: str
) -> Machine:
    host_key = PrivateKey(f"{node}-host-key", algorithm="ED25519", opts=site.plain)
    volumes = disks.volumes(site, node, zone, group.disks)
    profile = ground.profiles.get(group.role)
    instance = launch(
        site,
        node,
        image=site.settings.images[group.arch],
        size=catalog.instance_type(group.size, group.arch),
        subnet=ground.network.nodes[zone],
        group=ground.groups["servers" if group.role == "server" else "agents"],
        key=ground.key,
        user_data=user_data(site, node, host_key, site.shared.first_boot.get(group.arch)),
        root_gib=site.settings.root_disk,
        role=group.role,
        profile=profile,
        # Calico may send pods' packets as they are, which EC2 takes for forged ones:
        # https://docs.tigera.io/calico/latest/reference/public-cloud/aws
        checks_addresses="calico" not in site.shared.network.profiles,
        # Volumes first, so that they go last: nothing is deleted that is still attached.
        after=[*ground.ready, *volumes],
    )
    fixed = addresses.is_fixed(group.role, site.shared.network, spans=site.shared.spans)
    elastic = elastic_address(site, node, instance, group.role) if fixed else None
    return Machine(
        name=node,
        group=group_name,
        role=group.role,
        arch=group.arch,
        private=Addresses(ipv4=instance.private_ip, ipv6=_ipv6(site, instance)),
        public=Addresses(ipv4=elastic, ipv6=_ipv6(site, instance)) if elastic else Addresses(),
        egress=Addresses() if elastic else _egress(site, ground.network, instance, zone),
        ssh=Ssh(
            host=elastic or (instance.private_ip if site.private else instance.public_ip),
            user=cloudinit.SSH_USER,
            port=22,
            private_key=site.shared.operator.private,
            host_key=host_key.public_key_openssh,
            jump=ground.bastion,
        ),
        id=instance.id,
        resource=instance,
        network="aws",
        disks=disks.attach(site, node, instance, volumes),
        metadata=METADATA,
        cloud_init=True,
        topology={
            "topology.kubernetes.io/region": site.settings.region,
            "topology.kubernetes.io/zone": site.zone_name(zone),
        },
    )


def launch(
    site: Site,
    name: str,
    *,
    image: str,
    size: str,
    subnet: ec2.Subnet,
    group: ec2.SecurityGroup,
    key: ec2.KeyPair,
    user_data: pulumi.Output[str],
    root_gib: int,
    role: str,
    profile: iam.InstanceProfile | None = None,
    checks_addresses: bool = True,
    after: Sequence[pulumi.Resource] = (),
) -> ec2.Instance:
    """An instance, reached by no more than its security group lets in."""
    return ec2.Instance(
        name,
        ami=image,
        instance_type=size,
        subnet_id=subnet.id,
        vpc_security_group_ids=[group.id],
        key_name=key.key_name,
        iam_instance_profile=profile.name if profile else None,
        ipv6_address_count=1 if site.ipv6 else None,
        source_dest_check=checks_addresses,
        metadata_options=ec2.InstanceMetadataOptionsArgs(
            http_endpoint="enabled",
            http_tokens="required",
            http_put_response_hop_limit=1,
            http_protocol_ipv6="disabled",
        ),
        root_block_device=ec2.InstanceRootBlockDeviceArgs(
            volume_type="gp3",
            volume_size=root_gib,
            encrypted=True,
            delete_on_termination=True,
            tags={"Name": name},
        ),
        user_data=user_data,
        tags=site.tags(name, role),
        opts=site.with_options(
            depends_on=list(after), delete_before_replace=True, ignore_changes=IGNORED
        ),
    )


def user_data(
    site: Site, name: str, host_key: PrivateKey, first_boot: str | None
) -> pulumi.Output[str]:
    """The machine's cloud-config, secret for the host key in it."""
    known = pulumi.Output.all(
        private=host_key.private_key_openssh,
        public=host_key.public_key_openssh,
        operator=site.shared.operator.public,
    )
    return pulumi.Output.secret(
        known.apply(
            lambda keys: cloudinit.user_data(
                hostname=name,
                host_key=keys["private"],
                host_key_pub=keys["public"],
                operator_key=keys["operator"],
                access=site.shared.access,
                first_boot=first_boot,
            )
        )
    )


def elastic_address(site: Site, name: str, instance: ec2.Instance, role: str) -> pulumi.Output[str]:
    """An address that stays when the instance goes; known once the instance answers to it."""
    address = ec2.Eip(
        f"{name}-address",
        domain="vpc",
        tags=site.tags(name, role),
        opts=site.with_options(protect=site.shared.protect),
    )
    association = ec2.EipAssociation(
        f"{name}-association",
        allocation_id=address.id,
        instance_id=instance.id,
        opts=site.with_options(delete_before_replace=True),
    )
    return pulumi.Output.all(address.public_ip, association.id).apply(lambda known: str(known[0]))


def _egress(site: Site, network: Network, instance: ec2.Instance, zone: str) -> Addresses:
    """What an instance without an Elastic IP comes from: an address lent while it runs, or NAT."""
    if not site.private:
        return Addresses(ipv4=instance.public_ip, ipv6=_ipv6(site, instance))
    nat = network.nats.get(zone) or next(iter(network.nats.values()))
    return Addresses(ipv4=nat.address, ipv6=_ipv6(site, instance))


def _ipv6(site: Site, instance: ec2.Instance) -> pulumi.Output[str] | None:
    """One address for either side: IPv6 has no other, and who may use it is the group's affair."""
    return instance.ipv6_addresses.apply(lambda known: str(known[0])) if site.ipv6 else None
