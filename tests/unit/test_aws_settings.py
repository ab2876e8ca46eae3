"""Wrong settings of AWS: each is told with its reason and what to write."""

import subprocess
import sys

import pytest

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.stackfiles import ROOT, raw

K3S = {"version": "v1.35.6+k3s1"}
SERVER = {"role": "server", "count": 1}
IMAGE = "ami-0e872aee57663ae2d"
NOT_PRIVATE = "aws.cidr: 8.8.0.0/16 — not private addresses: nodes could not reach whose they are"


def told(overrides: dict[str, object], stack: str = "production") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw("production", {"addons": None} | overrides))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def accepted(overrides: dict[str, object], stack: str = "production") -> None:
    parse(stack, raw("production", {"addons": None} | overrides))


def aws(**more: object) -> dict[str, object]:
    return {"aws": {"region": "eu-central-1", "images": {"amd64": IMAGE}} | more}


def server(**more: object) -> dict[str, object]:
    return {"groups": {"server": SERVER | more}}


def network(**more: object) -> dict[str, object]:
    return {"network": more}


def spanning(fixed: str) -> dict[str, object]:
    """Servers and agents on AWS, more agents on DigitalOcean."""
    return {
        "groups": {
            "server": SERVER,
            "agent": {"role": "agent", "count": 1},
            "far": {"role": "agent", "count": 1, "platform": "digitalocean"},
        },
        "digitalocean": {"region": "fra1"},
        "network": {"fixedAddresses": fixed},
    }


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            {"aws": None},
            "aws: nothing — groups agent, server, storage are on aws — write aws: {region: ",
        ),
        (
            aws(region="eu-centrl-1"),
            "aws.region: eu-centrl-1 — AWS has no such region — write eu-central-1",
        ),
        (
            aws(zones=["eu-central-1a"]),
            "aws.zones: eu-central-1a — not a zone's letter — write letters of a to f without",
        ),
        (aws(zones=["a", "a"]), "aws.zones: ['a', 'a'] — a zone stands there twice — write each"),
        (
            server(zones=["d"]),
            "groups.server.zones: d — aws.zones are a, b, c: there is no subnet in it — write one",
        ),
        (
            server(size="c7i.xlage"),
            "groups.server.size: c7i.xlage — AWS has no such instance type — write small, medium, "
            "large or an instance type such as c7i.xlarge",
        ),
        (
            server(size="c7g.large"),
            "groups.server.size: c7g.large — it is arm64, and the group is amd64 — write arch: "
            "arm64 beside it, or another size",
        ),
        (
            server(size="m7i.large", arch="arm64"),
            "groups.server.size: m7i.large — it is amd64, and the group is arm64 — write arch: ",
        ),
        (
            server(arch="arm64"),
            "aws.images.arm64: nothing — groups are arm64 — write images: {arm64: ami-…}; `make",
        ),
        (
            aws(images={"amd64": "ubuntu-24.04"}),
            "aws.images.amd64: ubuntu-24.04 — not an image's id — write ami- and 8 to 17 of",
        ),
        (
            aws(images={"amd64": "ami-0123456"}),
            "aws.images.amd64: ami-0123456 — not an image's id — write ami- and 8 to 17 of",
        ),
        (
            aws(cidr="10.0.0.0/8"),
            "aws.cidr: 10.0.0.0/8 — AWS takes no VPC wider than a /16, and less than a /20 has no",
        ),
        (aws(cidr="10.20.0.0/24"), "aws.cidr: 10.20.0.0/24 — AWS takes no VPC wider than a /16"),
        (aws(cidr="8.8.0.0/16"), NOT_PRIVATE),
        (
            aws(cidr="10.42.0.0/16"),
            "aws.cidr: 10.42.0.0/16 — it overlaps k3s.clusterCidr 10.42.0.0/16: a node and a pod",
        ),
        (
            {"k3s": K3S | {"clusterCidr": "10.20.128.0/17"}},
            "aws.cidr: 10.20.0.0/16 — it overlaps k3s.clusterCidr 10.20.128.0/17",
        ),
        (
            {"k3s": K3S | {"serviceCidr": "10.20.0.0/20"}},
            "aws.cidr: 10.20.0.0/16 — it overlaps k3s.serviceCidr 10.20.0.0/20",
        ),
        (
            server(disks=[20000]),
            "groups.server.disks: 20000 GiB — AWS makes gp3 volumes of 1 to 16384 GiB — write at",
        ),
        (
            server(disks=[0]),
            "groups.server.disks: 0 GiB — no cloud makes a disk of less than 1 GiB — write whole",
        ),
        (
            server(disks=[10] * 12),
            "groups.server.disks: 12 disks — AWS has device names for 11 volumes of a machine",
        ),
        (
            server(disks=[10], size="m4.large"),
            "groups.server.disks: [10] — m4.large shows no disk as an NVMe device, by which nodes",
        ),
        (aws(rootDisk=20000), "aws.rootDisk: 20000 GiB — AWS makes gp3 volumes of 1 to 16384 GiB"),
        (
            network(nodes="private", fixedAddresses="servers"),
            "network.fixedAddresses: servers — private nodes have no public address that could be",
        ),
        (
            spanning("servers"),
            "network.fixedAddresses: servers — nodes on other networks reach those on aws by",
        ),
        (
            spanning("none"),
            "network.fixedAddresses: none — nodes on other networks reach those on aws by public",
        ),
        (
            network(fixedAddresses="all"),
            "aws.quotas.addresses: 9 Elastic IPs (9 for nodes) — the quota is 5 — ask AWS for more "
            "(Service Quotas, “EC2-VPC Elastic IPs”) and write aws.quotas.addresses: 9, or ask for",
        ),
        (
            network(nodes="private") | aws(nat="zonal", zones=["a", "b", "c", "d", "e"]),
            "aws.quotas.addresses: 6 Elastic IPs (5 for NAT, 1 for the bastion) — the quota is 5",
        ),
        (
            server(count=1) | {"access": {"ssh": [f"203.0.113.{n}/32" for n in range(70)],
                                          "api": ["203.0.113.0/24"]}},
            # API (twice), kubelet, VXLAN and ICMP beside the operator's 70.
            "aws.quotas.rulesPerGroup: 75 inbound rules in security group servers — the quota is 60"
            " — ask AWS for more (Service Quotas, “Inbound or outbound rules per security group”)",
        ),
        (
            {"groups": {"server": SERVER, "agent": {"role": "agent", "count": 80}}},
            "aws.quotas.rulesPerGroup: 82 inbound rules in security group balancer — the quota is",
        ),
        (
            {"groups": {"server": SERVER, "agent": {"role": "agent", "count": 250}}}
            | aws(cidr="10.20.0.0/20", zones=["a"], quotas={"rulesPerGroup": 300}),
            "aws.cidr: 10.20.0.0/20 — a zone's subnet is a sixteenth of it, with room for 243 "
            "nodes, and zone a has 251",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_with_its_reason(overrides: dict[str, object], line: str) -> None:
    assert [found for found in told(overrides) if found.startswith(line)], told(overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        network(nodes="private"),
        network(nodes="private", fixedAddresses="none"),
        network(ipv6=True),
        network(fixedAddresses="all") | aws(quotas={"addresses": 9}),
        spanning("all"),
        server(size="m7i.large", disks=[1, 16384]),
        server(arch="arm64") | aws(images={"amd64": IMAGE, "arm64": "ami-0123456789abcdef0"}),
        server(zones=["b"]) | aws(cidr="192.168.16.0/20"),
        aws(region="eusc-de-east-1", permissions=["cloud-controller", "ebs-csi"]),
    ],
)
def test_what_can_work_is_accepted(overrides: dict[str, object]) -> None:
    accepted(overrides)


def test_a_stack_name_that_no_balancer_can_have_is_told() -> None:
    (line,) = told({}, stack="a-rather-long-stack1")
    assert line.startswith("stack: a-rather-long-stack1 — the balancer's names are made of it, and")
    assert line.endswith("use a stack name of at most 19 characters")
    accepted({}, stack="a-rather-long-stack")


def test_mistakes_of_several_kinds_are_told_together() -> None:
    lines = told(aws(region="mars-1", zones=["z"], cidr="10.0.0.0/8") | server(size="huge"))
    keys = {line.partition(":")[0] for line in lines}
    assert keys >= {"aws.region", "aws.zones", "aws.cidr", "groups.server.size"}


def test_a_cluster_without_aws_does_not_load_its_sdk() -> None:
    program = (
        "import sys\n"
        "from stacks.settings import parse\n"
        "from tests.unit.stackfiles import raw\n"
        "parse('dev', raw('dev'))\n"
        "import components.cluster\n"
        "print(sorted(name for name in sys.modules if name.startswith('pulumi_aws')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
