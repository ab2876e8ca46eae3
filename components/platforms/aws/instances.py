"""EC2 instances, nodes or not: IMDSv2 alone, encrypted disks, a host key made beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, iam
from pulumi_tls import PrivateKey

from components.platforms import cloudinit
from components.platforms.aws.site import Site

# Images move on and are pinned; a key pair made anew would make every machine anew.
_IGNORED = ["ami", "userData", "keyName"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an instance is made of; `root_gib` is its root disk's size, `role` its tag."""

    image: str
    size: str
    subnet: ec2.Subnet
    group: ec2.SecurityGroup
    key: ec2.KeyPair
    host_key: PrivateKey
    root_gib: int
    role: str
    first_boot: str | None = None
    profile: iam.InstanceProfile | None = None
    checks_addresses: bool = True


def launch(site: Site, name: str, plan: Plan, *, after: Sequence[pulumi.Resource]) -> ec2.Instance:
    """An instance, reached by no more than its security group lets in."""
    return ec2.Instance(
        name,
        ami=plan.image,
        instance_type=plan.size,
        subnet_id=plan.subnet.id,
        vpc_security_group_ids=[plan.group.id],
        key_name=plan.key.key_name,
        iam_instance_profile=plan.profile.name if plan.profile else None,
        ipv6_address_count=1 if site.ipv6 else None,
        source_dest_check=plan.checks_addresses,
        metadata_options=ec2.InstanceMetadataOptionsArgs(
            http_endpoint="enabled",
            http_tokens="required",
            http_put_response_hop_limit=1,
            http_protocol_ipv6="disabled",
        ),
        root_block_device=ec2.InstanceRootBlockDeviceArgs(
            volume_type="gp3",
            volume_size=plan.root_gib,
            encrypted=True,
            delete_on_termination=True,
            tags={"Name": name},
        ),
        user_data=_user_data(site, name, plan),
        tags=site.tags(name, plan.role),
        opts=site.with_options(
            depends_on=list(after),
            delete_before_replace=True,
            ignore_changes=_IGNORED,
            replacement_trigger=site.shared.generations.get(name),
        ),
    )


def _user_data(site: Site, name: str, plan: Plan) -> pulumi.Output[str]:
    """The machine's cloud-config, secret for the host key in it."""
    known = pulumi.Output.all(
        private=plan.host_key.private_key_openssh,
        public=plan.host_key.public_key_openssh,
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
                first_boot=plan.first_boot,
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
