"""Raw disks: volumes that outlive the machine that they are attached to."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import ebs, ec2

from components.platforms.aws import catalog
from components.platforms.aws.site import Site


def volumes(site: Site, node: str, zone: str, sizes: Sequence[int]) -> list[ebs.Volume]:
    """Encrypted gp3 volumes of `sizes` GiB, in the node's zone."""
    return [
        ebs.Volume(
            f"{node}-disk-{number}",
            availability_zone=site.zone_name(zone),
            size=gib,
            type="gp3",
            encrypted=True,
            tags=site.tags(f"{node}-disk-{number}"),
            opts=site.with_options(protect=site.shared.protect),
        )
        for number, gib in enumerate(sizes, start=1)
    ]


def attach(
    site: Site, node: str, instance: ec2.Instance, volumes: Sequence[ebs.Volume]
) -> list[pulumi.Output[str]]:
    """Attach them; gives their device paths on the node, known once they are there."""
    return [
        _attached(
            site, f"{node}-attachment-{number}", catalog.DISK_LETTERS[number - 1], instance, volume
        )
        for number, volume in enumerate(volumes, start=1)
    ]


def _attached(
    site: Site, name: str, letter: str, instance: ec2.Instance, volume: ebs.Volume
) -> pulumi.Output[str]:
    attachment = ec2.VolumeAttachment(
        name,
        instance_id=instance.id,
        volume_id=volume.id,
        device_name=f"/dev/sd{letter}",
        # A machine that ends lets go of its volumes; one that runs may hold a disk in use.
        opts=site.with_options(deleted_with=instance, delete_before_replace=True),
    )
    return pulumi.Output.all(volume.id, attachment.id).apply(lambda known: device_path(known[0]))


def device_path(volume_id: str) -> str:
    """Where udev shows a volume, whatever the kernel calls it: the id is its serial number.

    https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html
    """
    serial = volume_id.replace("-", "")
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}"
