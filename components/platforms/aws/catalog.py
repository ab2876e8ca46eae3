"""What AWS has on offer, as far as a setting can be held against it."""

import re
from collections.abc import Mapping
from functools import cache

# A region's zones are named by its own name and a letter; none has more than six.
ZONES = "abcdef"

# The device names that AWS leaves for volumes, /dev/sdf to /dev/sdp:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html
DISK_LETTERS = "fghijklmnop"

# small: 2 CPUs and 4 GiB, medium: 4 and 8, large: 8 and 16.
SIZES: Mapping[str, Mapping[str, str]] = {
    "amd64": {"small": "t3.medium", "medium": "c7i.xlarge", "large": "c7i.2xlarge"},
    "arm64": {"small": "t4g.medium", "medium": "c7g.xlarge", "large": "c7g.2xlarge"},
}
# What a bastion runs on: it only hands connections on.
BASTION_SIZES: Mapping[str, str] = {"amd64": "t3.micro", "arm64": "t4g.micro"}

# A Graviton family has a g right behind its generation, such as c7gn or is4gen; a1 was the first,
# and p6e-gb200 is NVIDIA's own Arm: https://docs.aws.amazon.com/ec2/latest/instancetypes/.
_ARM64 = re.compile(r"a1|p6e-gb\d+|[a-z]+\d+g[a-z]*")
# Families on the Xen hypervisor, which shows no disk as an NVMe device:
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html
_XEN = re.compile(
    r"t[12]|m[1-4]|c[134]|cc[12]|cg1|cr1|r[34]|hi1|hs1|i[23]|d2|h1|g2|g3s?|p[23]|f1|x1e?"
)
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eusc-": "aws-eusc",
}


def instance_type(size: str, arch: str) -> str:
    """AWS's own name of a size, such as c7i.xlarge; one that is not ours is AWS's already."""
    return SIZES[arch].get(size, size)


def architecture(instance_type: str) -> str:
    """amd64 or arm64."""
    family = instance_type.partition(".")[0]
    return "arm64" if _ARM64.fullmatch(family) else "amd64"


def has_nvme_disks(instance_type: str) -> bool:
    """Whether volumes have paths that their ids give away."""
    return not _XEN.fullmatch(instance_type.partition(".")[0])


def partition(region: str) -> str:
    """The part of AWS that a region belongs to, as ARNs have it."""
    return next((part for prefix, part in _PARTITIONS.items() if region.startswith(prefix)), "aws")


@cache
def regions() -> frozenset[str]:
    """All regions that the pinned SDK knows, which is loaded for that."""
    from pulumi_aws import Region

    return frozenset(region.value for region in Region)


@cache
def instance_types() -> frozenset[str]:
    """All instance types that the pinned SDK knows, which is loaded for that."""
    from pulumi_aws.ec2 import InstanceType

    return frozenset(kind.value for kind in InstanceType)
