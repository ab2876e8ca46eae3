"""Nodes: instances with their volumes and addresses, as the rest of the program knows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, iam
from pulumi_tls import PrivateKey

from components.groups import NodeGroup, Role
from components.platforms import cloudinit
from components.platforms.aws import addresses, catalog, disks, instances
from components.platforms.aws.network import Network
from components.platforms.aws.security import Groups
from components.platforms.aws.site import Site
from components.platforms.machine import Addresses, Machine, Ssh
from components.topology import REGION_LABEL, ZONE_LABEL

# Where a machine asks for its credentials and its user data; IPv6's is left off.
METADATA = ("169.254.169.254",)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What machines stand on; `ready` must be there before one boots."""

    network: Network
    groups: Groups
    key: ec2.KeyPair
    profiles: Mapping[Role, iam.InstanceProfile]
    ready: Sequence[pulumi.Resource]
    bastion: Ssh | None


@dataclass(frozen=True, kw_only=True)
class _Reached:
    """A node's addresses: see `Machine`; `host` is where SSH finds it."""

    host: pulumi.Output[str]
    private: Addresses
    public: Addresses
    egress: Addresses


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
    plan = _plan(site, ground, group, zone, host_key)
    # Volumes first, so that they go last: nothing is deleted that is still attached.
    instance = instances.launch(site, node, plan, after=[*ground.ready, *volumes])
    reached = _reached(site, ground.network, node, group.role, zone, instance)
    return Machine(
        name=node,
        group=group_name,
        role=group.role,
        arch=group.arch,
        private=reached.private,
        public=reached.public,
        egress=reached.egress,
        ssh=Ssh(
            host=reached.host,
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
            REGION_LABEL: site.settings.region,
            ZONE_LABEL: site.zone_name(zone),
        },
        # https://cloud-provider-aws.sigs.k8s.io/prerequisites/: three slashes, no account.
        provider_id=pulumi.Output.concat(f"aws:///{site.zone_name(zone)}/", instance.id),
        vpc=ground.network.vpc.id,
    )


def _plan(
    site: Site, ground: Ground, group: NodeGroup, zone: str, host_key: PrivateKey
) -> instances.Plan:
    return instances.Plan(
        image=site.settings.images[group.arch],
        size=catalog.instance_type(group.size, group.arch),
        subnet=ground.network.nodes[zone],
        group=ground.groups["servers" if group.role == "server" else "agents"],
        key=ground.key,
        host_key=host_key,
        root_gib=site.settings.root_disk,
        role=group.role,
        first_boot=site.shared.first_boot.get(group.arch),
        profile=ground.profiles.get(group.role),
        # With BGP Calico sends pods' packets as they are, which EC2 takes for forged ones; in VXLAN
        # and WireGuard they go under the nodes' addresses.
        # https://docs.tigera.io/calico/latest/reference/public-cloud/aws
        checks_addresses="calico-bgp" not in site.shared.network.profiles,
    )


def _reached(
    site: Site, network: Network, node: str, role: Role, zone: str, instance: ec2.Instance
) -> _Reached:
    """By an Elastic IP, by an address lent while the instance runs, or from inside alone."""
    # One IPv6 address for either side: there is no other, and the security group guards it.
    ipv6 = instance.ipv6_addresses.apply(lambda known: str(known[0])) if site.ipv6 else None
    private = Addresses(ipv4=instance.private_ip, ipv6=ipv6)
    if addresses.is_fixed(role, site.shared.network, spans=site.shared.spans):
        elastic = instances.elastic_address(site, node, instance, role)
        public = Addresses(ipv4=elastic, ipv6=ipv6)
        return _Reached(host=elastic, private=private, public=public, egress=Addresses())
    if site.private:
        nat = network.nats.get(zone) or next(iter(network.nats.values()))
        host, seen = instance.private_ip, nat.address
    else:
        host = seen = instance.public_ip
    egress = Addresses(ipv4=seen, ipv6=ipv6)
    return _Reached(host=host, private=private, public=Addresses(), egress=egress)
