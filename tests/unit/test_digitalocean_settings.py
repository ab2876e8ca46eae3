"""Wrong settings of DigitalOcean: each is told with its reason and what to write."""

import subprocess
import sys

import pytest

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.stackfiles import ROOT, raw

K3S = {"version": "v1.35.6+k3s1"}
SERVER = {"role": "server", "count": 1}
DUAL_STACK = {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"}


def told(overrides: dict[str, object], stack: str = "staging") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw("staging", overrides))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def accepted(overrides: dict[str, object], stack: str = "staging") -> None:
    parse(stack, raw("staging", overrides))


def disks(*gib: int) -> dict[str, object]:
    return {"groups": {"server": SERVER, "store": {"role": "agent", "count": 1, "disks": gib}}}


def server(**more: object) -> dict[str, object]:
    return {"groups": {"server": SERVER | more}}


def network(cidr: str, region: str = "fra1") -> dict[str, object]:
    return {"digitalocean": {"region": region, "cidr": cidr}}


def opened(count: int) -> dict[str, object]:
    """So many ports that people let in."""
    entries = [
        {"name": f"p{n}", "protocol": "udp", "ports": str(20000 + n), "from": ["198.51.100.0/24"]}
        for n in range(count)
    ]
    return {"addons": None, "network": {"open": entries}}


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            {"digitalocean": None},
            "digitalocean: nothing — groups agent, server are on digitalocean — "
            "write digitalocean: {region: fra1}",
        ),
        (
            {"digitalocean": {"region": "frankfurt1"}},
            "digitalocean.region: frankfurt1 — DigitalOcean has no such region, or closed it — "
            "write fra1, or another of ams3, atl1, blr1, fra1, ",
        ),
        (
            {"digitalocean": {"region": "sfo1"}},
            "digitalocean.region: sfo1 — DigitalOcean has no such region, or closed it — ",
        ),
        (
            server(size="s-2vcpu-5gb"),
            "groups.server.size: s-2vcpu-5gb — no size of a Droplet is called that — "
            "write s-2vcpu-4gb",
        ),
        (
            server(size="huge"),
            "groups.server.size: huge — no size of a Droplet is called that — "
            "write small, medium or large; a size newer than this program also under "
            "digitalocean.moreSizes",
        ),
        (
            server(zones=["a", "b"]),
            "groups.server.zones: ['a', 'b'] — DigitalOcean's regions have no zones — "
            "leave zones out",
        ),
        (
            server(arch="arm64"),
            "groups.server.arch: arm64 — all Droplets are amd64 — leave arch out",
        ),
        (
            {"network": {"nodes": "private"}},
            "network.nodes: private — Droplets have public addresses here; firewalls keep out "
            "who is not named — leave nodes out",
        ),
        (network("10.0.0.0/15"), "digitalocean.cidr: 10.0.0.0/15 — a VPC is a /16 to a /24 — "),
        (network("10.30.0.0/25"), "digitalocean.cidr: 10.30.0.0/25 — a VPC is a /16 to a /24 — "),
        (
            network("198.51.100.0/24"),
            "digitalocean.cidr: 198.51.100.0/24 — a VPC has private addresses (RFC 1918) — "
            "write a private range that nothing else uses, such as 10.30.0.0/16",
        ),
        (
            network("10.244.16.0/20"),
            "digitalocean.cidr: 10.244.16.0/20 — it overlaps 10.244.0.0/16, which DigitalOcean "
            "keeps for itself — ",
        ),
        (
            network("10.10.0.0/20", region="nyc1"),
            "digitalocean.cidr: 10.10.0.0/20 — it overlaps 10.10.0.0/16, which DigitalOcean ",
        ),
        (
            network("10.42.64.0/20"),
            "digitalocean.cidr: 10.42.64.0/20 — it overlaps k3s.clusterCidr 10.42.0.0/16: "
            "a node and a pod or Service could have one address — ",
        ),
        (
            network("10.43.0.0/16"),
            "digitalocean.cidr: 10.43.0.0/16 — it overlaps k3s.serviceCidr 10.43.0.0/16: ",
        ),
        (
            {"groups": {"server": SERVER, "agent": {"role": "agent", "count": 240}}}
            | network("10.30.0.0/24"),
            "digitalocean.cidr: 241 nodes — the VPC has room for 240 — write a wider range, ",
        ),
        (
            disks(*[10] * 16),
            "groups.store.disks: 16 disks — a Droplet takes 15 volumes — write fewer and larger",
        ),
        (
            disks(16385),
            "groups.store.disks: 16385 GiB — a volume has at most 16384 GiB — write several",
        ),
        (disks(0), "groups.store.disks: 0 GiB — no cloud makes a disk of less than 1 GiB — "),
        (
            {
                "groups": {
                    "server": SERVER,
                    "s" * 44: {"role": "agent", "count": 1, "disks": [10]},
                }
            },
            f"groups.{'s' * 44}: a node's name of 54 characters — a volume is named after it, "
            "and 65 characters are more than 64 — use a shorter name for stack, group or node",
        ),
        (
            {"network": {"fixedAddresses": "all"}, "groups": {"server": SERVER | {"count": 5}}},
            "network.fixedAddresses: all — 5 nodes ask for a reserved IP, and the account may "
            "have 3 — leave it out, or have the limit raised and write it as "
            "digitalocean.quotas: {reservedIps: 5}",
        ),
        (
            opened(48),
            "network.open: 51 kinds of traffic to agents — a firewall takes 50 rules — join "
            "neighbouring ports to ranges, or leave some out",
        ),
        (
            {
                "access": {
                    "ssh": [f"198.51.{n // 256}.{n % 256}/32" for n in range(1001)],
                    "api": ["203.0.113.0/24"],
                }
            },
            "access: 1001 sources of tcp 22 — a firewall's rule takes 1000 — write wider ranges",
        ),
        (
            {
                "groups": {
                    "server": SERVER | {"platform": "aws"},
                    "a": {"role": "agent", "count": 250},
                    "b": {"role": "agent", "count": 250},
                },
            },
            "groups: 1002 sources of udp 51820 — a firewall's rule takes 1000 — write wider",
        ),
        (
            {
                "network": {"ipv6": True},
                "access": {"ssh": ["203.0.113.0/24"], "api": ["2001:db8::/48"]},
            },
            "access.api: 2001:db8::/48 — the load balancer in front of the API has an IPv4 "
            "address alone — write the IPv4 addresses that kubectl comes from",
        ),
        (
            {"network": {"ipv6": True}, "k3s": K3S | DUAL_STACK | {"flannelBackend": "vxlan"}},
            "k3s.flannelBackend: vxlan — the VPC has no IPv6, and pods' IPv6 traffic would go in "
            "clear over public addresses with VXLAN — write wireguard-native, or leave "
            "clusterCidrIpv6 and serviceCidrIpv6 out",
        ),
        (
            {"network": {"ipv6": True}, "k3s": K3S | DUAL_STACK},
            "k3s.flannelBackend: nothing — the VPC has no IPv6, ",
        ),
        (
            {
                "network": {"ipv6": True, "profiles": ["calico"]},
                "k3s": K3S | DUAL_STACK | {"flannelBackend": "none"},
            },
            "network.profiles: calico — the VPC has no IPv6, and pods' IPv6 traffic would go in "
            "clear over public addresses with its VXLAN — ",
        ),
        (
            {"network": {"profiles": ["metallb"]}},
            "network.profiles: metallb — digitalocean carries no addresses that nodes announce",
        ),
        ({"access": {"ssh": ["203.0.113.0/24"]}}, "access.api: nothing — kubectl and Helm speak"),
        ({"access": {"api": ["203.0.113.0/24"]}}, "access.ssh: nothing — every step on a node"),
    ],
)
def test_a_mistake_is_told_with_its_reason_and_what_to_write(
    overrides: dict[str, object], line: str
) -> None:
    lines = told(overrides)
    assert any(found.startswith(line) for found in lines), lines


def test_one_mistake_makes_one_line() -> None:
    assert len(told(server(zones=["a"]))) == 1
    assert len(told({"network": {"ipv6": True}, "k3s": K3S | DUAL_STACK})) == 1
    assert len(told({"digitalocean": None})) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        {"digitalocean": {"region": "atl1"}},
        network("10.10.0.0/20", region="nyc3"),
        network("192.168.7.0/24"),
        server(size="c-4"),
        server(size="q-8vcpu-new")
        | {"digitalocean": {"region": "fra1", "moreSizes": ["q-8vcpu-new"]}},
        disks(*[16384] * 15),
        opened(46),
        {"network": {"fixedAddresses": "all"}},
        {"network": {"fixedAddresses": "servers"}, "groups": {"server": SERVER | {"count": 3}}},
        {
            "network": {"fixedAddresses": "all"},
            "groups": {"server": SERVER | {"count": 5}},
            "digitalocean": {"region": "fra1", "quotas": {"reservedIps": 5}},
        },
        {
            "network": {"ipv6": True},
            "k3s": K3S | DUAL_STACK | {"flannelBackend": "wireguard-native"},
        },
    ],
)
def test_what_works_is_taken(overrides: dict[str, object]) -> None:
    accepted(overrides)


def test_the_sdk_is_loaded_by_no_cluster_that_is_elsewhere() -> None:
    program = (
        "import sys; from stacks.settings import parse; from tests.unit.stackfiles import raw; "
        "parse('dev', raw('dev')); sys.exit('pulumi_digitalocean' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
