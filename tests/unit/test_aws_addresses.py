"""AWS's addresses, zones, sizes and names: plain values."""

from ipaddress import IPv4Network

import pytest

from components.network import NetworkSettings
from components.platforms.aws import addresses, catalog, disks, naming
from components.platforms.aws.addresses import Side

VPC = IPv4Network("10.20.0.0/16")
SIDES: tuple[Side, ...] = ("public", "private")


@pytest.mark.parametrize("cidr", ["10.20.0.0/16", "172.16.32.0/19", "192.168.16.0/20"])
def test_the_subnets_of_a_vpc_lie_in_it_and_apart(cidr: str) -> None:
    vpc = IPv4Network(cidr)
    made = [addresses.subnet(vpc, side, zone) for side in SIDES for zone in catalog.ZONES]
    assert all(subnet.subnet_of(vpc) for subnet in made)
    assert not any(a.overlaps(b) for i, a in enumerate(made) for b in made[i + 1 :])


def test_a_subnets_range_follows_from_its_zones_letter() -> None:
    assert str(addresses.subnet(VPC, "public", "a")) == "10.20.0.0/20"
    assert str(addresses.subnet(VPC, "public", "c")) == "10.20.32.0/20"
    assert str(addresses.subnet(VPC, "private", "a")) == "10.20.128.0/20"


def test_ipv6_subnets_are_64s_of_the_vpcs_56() -> None:
    vpc = "2001:db8:1234:1a00::/56"
    made = [addresses.subnet_ipv6(vpc, side, zone) for side in SIDES for zone in catalog.ZONES]
    assert made[:2] == ["2001:db8:1234:1a00::/64", "2001:db8:1234:1a01::/64"]
    assert made[6] == "2001:db8:1234:1a08::/64"
    assert len(set(made)) == 12


def test_numbered_nodes_take_the_zones_in_turn_whoever_else_is_there() -> None:
    zones = ("a", "b", "c")
    assert [addresses.zone_of(key, zones) for key in ("1", "2", "3", "4")] == ["a", "b", "c", "a"]
    assert addresses.zone_of("3", zones) == "c"


def test_named_nodes_have_a_zone_of_their_own_name() -> None:
    zones = ("a", "b", "c")
    found = {key: addresses.zone_of(key, zones) for key in ("db", "web", "0", "shed", "x", "y")}
    assert set(found.values()) <= set(zones)
    assert len(set(found.values())) > 1
    assert found == {key: addresses.zone_of(key, zones) for key in reversed(found)}


@pytest.mark.parametrize(
    ("fixed", "spans", "server", "agent"),
    [
        (None, False, True, False),
        (None, True, True, True),
        ("none", False, False, False),
        ("servers", False, True, False),
        ("all", False, True, True),
    ],
)
def test_who_has_an_elastic_ip(fixed: str | None, spans: bool, server: bool, agent: bool) -> None:
    network = NetworkSettings.model_validate({"fixedAddresses": fixed})
    assert addresses.is_fixed("server", network, spans=spans) is server
    assert addresses.is_fixed("agent", network, spans=spans) is agent


def test_private_nodes_have_no_elastic_ip() -> None:
    network = NetworkSettings(nodes="private")
    assert not addresses.is_fixed("server", network, spans=False)


def test_a_volume_is_found_by_its_id_without_the_dash() -> None:
    path = disks.device_path("vol-0123456789abcdef0")
    assert path == "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_every_size_of_ours_is_one_of_the_sdks_and_of_its_architecture(arch: str) -> None:
    for kind in (*catalog.SIZES[arch].values(), catalog.BASTION_SIZES[arch]):
        assert kind in catalog.instance_types()
        assert catalog.architecture(kind) == arch
        assert catalog.has_nvme_disks(kind)


@pytest.mark.parametrize(
    ("kind", "arch"),
    [
        *((kind, "arm64") for kind in ("a1.large", "c7gn.large", "im4gn.large", "is4gen.large")),
        *((kind, "arm64") for kind in ("x2gd.medium", "g5g.xlarge", "hpc7g.4xlarge")),
        *(
            (kind, "amd64")
            for kind in ("g6.xlarge", "gr6.4xlarge", "g4dn.xlarge", "u7i-6tb.112xlarge")
        ),
        *((kind, "amd64") for kind in ("t3a.small", "c7i-flex.large", "mac1.metal")),
    ],
)
def test_an_instance_types_architecture_stands_in_its_name(kind: str, arch: str) -> None:
    assert kind in catalog.instance_types()
    assert catalog.architecture(kind) == arch


@pytest.mark.parametrize(
    ("kind", "nvme"), [("t2.large", False), ("m4.large", False), ("m5.large", True)]
)
def test_types_before_nitro_show_no_nvme_disks(kind: str, nvme: bool) -> None:
    assert catalog.has_nvme_disks(kind) is nvme


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_policies_name_the_partition_that_a_region_is_in(region: str, partition: str) -> None:
    assert catalog.partition(region) == partition


def test_the_longest_stack_name_leaves_room_for_pulumis_ending() -> None:
    longest = "s" * naming.LONGEST_CLUSTER
    names = (naming.balancer(longest), naming.target_group(longest))
    assert max(len(f"{name}-0123456") for name in names) == 32
