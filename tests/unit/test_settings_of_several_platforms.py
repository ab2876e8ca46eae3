"""Mistakes between the parts of a cluster on clouds, or on several platforms at once."""

import pytest

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.stackfiles import raw

K3S = {"version": "v1.35.6+k3s1"}
OFFICE = ["203.0.113.0/24"]
ONE_SERVER = {"role": "server", "count": 1}
AGENTS = {"role": "agent", "count": 2}


def lines(stack: str, overrides: dict[str, object]) -> list[str]:
    try:
        # Add-ons are other tests' matter.
        parse(stack, raw(stack, {"addons": None} | overrides))
    except SettingsError as error:
        return [line.strip() for line in str(error).splitlines()[1:]]
    return []


def told(stack: str, overrides: dict[str, object], start: str) -> bool:
    found = lines(stack, overrides)
    assert any(line.startswith(start) for line in found), found
    return True


@pytest.mark.parametrize("stack", ["staging", "production", "hybrid"])
@pytest.mark.parametrize("which", ["ssh", "api"])
def test_who_may_come_in_must_be_written_on_a_cloud(stack: str, which: str) -> None:
    access = {"ssh": OFFICE, "api": OFFICE}
    del access[which]
    (line,) = [x for x in lines(stack, {"access": access}) if x.startswith("access")]
    assert line.startswith(f"access.{which}: nothing — ")
    assert "write your own addresses, such as [203.0.113.7/32]" in line


def test_the_whole_internet_can_be_written_by_hand() -> None:
    everywhere = {"ssh": ["0.0.0.0/0"], "api": ["0.0.0.0/0"]}
    assert not lines("staging", {"access": everywhere})


def test_on_this_machine_nobody_needs_to_be_named() -> None:
    assert not lines("dev", {})


@pytest.mark.parametrize(
    ("stack", "overrides", "start"),
    [
        (
            "staging",
            {"access": {"ssh": ["203.0.113.7/24"], "api": OFFICE}},
            "access.ssh.0: 203.0.113.7/24 — not a CIDR: 203.0.113.7/24 has host bits set — write",
        ),
        (
            "staging",
            {"access": {"ssh": ["2001:db8::/48"], "api": OFFICE}},
            "access.ssh: 2001:db8::/48 — digitalocean has no IPv6 in these settings — write",
        ),
        (
            "production",
            {"k3s": K3S | {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"}},
            "k3s.clusterCidrIpv6: fd42::/56 — aws has no IPv6 in these settings — leave it out, or",
        ),
        (
            "dev",
            {"k3s": K3S | {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"}},
            "k3s.clusterCidrIpv6: fd42::/56 — local has no IPv6 in these settings — leave it out",
        ),
        (
            "production",
            {"k3s": K3S | {"clusterCidrIpv6": "fd42::/56"}, "network": {"ipv6": True}},
            "k3s.serviceCidrIpv6: nothing — dual stack needs IPv6 addresses for pods and for",
        ),
        (
            "production",
            {
                "k3s": K3S | {"clusterCidrIpv6": "fd42::/62", "serviceCidrIpv6": "fd43::/112"},
                "network": {"ipv6": True},
            },
            "k3s.clusterCidrIpv6: fd42::/62 — each node takes a /64 of it: room for 3 nodes, not 9",
        ),
        (
            "production",
            {
                "k3s": K3S | {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/64"},
                "network": {"ipv6": True},
            },
            "k3s.serviceCidrIpv6: fd43::/64 — the API server takes no more than 20 bits",
        ),
        (
            "staging",
            {"platform": "aws", "aws": {"images": {"arm": "ami-1"}}},
            "aws.region: nothing — it is needed — write a region, such as eu-central-1",
        ),
        (
            "staging",
            {"platform": "aws", "aws": {"images": {"arm": "ami-1"}}},
            "aws.images.arm: arm — input should be 'amd64' or 'arm64' — write an image for each",
        ),
        (
            "hybrid",
            {"existing": {"hosts": {"shed": {}}}},
            "existing.hosts.shed.address: nothing — it is needed — write address",
        ),
        (
            "staging",
            {"access": {"ssh": OFFICE, "api": OFFICE, "authorizedKeys": ["ssh-ed25519"]}},
            "access.authorizedKeys: ssh-ed25519 — neither an OpenSSH public key nor a GitHub user",
        ),
        (
            "staging",
            {"network": {"profiles": ["metallb"]}},
            "network.profiles: metallb — digitalocean carries no addresses that nodes announce",
        ),
        (
            "production",
            {"network": {"profiles": ["metallb"]}},
            "network.profiles: metallb — aws carries no addresses that nodes announce",
        ),
        (
            "staging",
            {"network": {"profiles": ["postgres"]}},
            "network.profiles.0: postgres — input should be 'ingress'",
        ),
        (
            "staging",
            {"network": {"open": [{"name": "x", "protocol": "tcp", "ports": "9-1", "from": []}]}},
            "network.open.0.from: [] — tuple should have at least 1 item after validation, not 0",
        ),
        (
            "staging",
            {
                "network": {
                    "open": [{"name": "x", "protocol": "tcp", "ports": "9-1", "from": OFFICE}]
                }
            },
            "network.open.x.ports: 9-1 — neither a port nor a range — write",
        ),
        (
            "hybrid",
            {
                "groups": {
                    "server": ONE_SERVER,
                    "far": {"role": "server", "count": 2, "platform": "digitalocean"},
                }
            },
            "groups: servers on aws, digitalocean — etcd's members must reach each other's private",
        ),
        (
            "hybrid",
            {"k3s": K3S | {"flannelBackend": "vxlan"}},
            "k3s.flannelBackend: vxlan — nodes are on aws, digitalocean, existing:shed, and VXLAN",
        ),
        (
            "hybrid",
            {"network": {"nodes": "private"}},
            "network.nodes: private — nodes are on aws, digitalocean, existing:shed, and reach",
        ),
        (
            "hybrid",
            {"digitalocean": {"region": "fra1", "cidr": "10.20.128.0/20"}},
            "digitalocean.cidr: 10.20.128.0/20 — it overlaps aws.cidr 10.20.0.0/16, and two nodes",
        ),
        (
            "hybrid",
            {
                "k3s": K3S | {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"},
                "network": {"ipv6": True},
            },
            "k3s.clusterCidrIpv6: fd42::/56 — dual stack over several networks needs both families",
        ),
        (
            "dev",
            {"groups": {"server": ONE_SERVER, "far": AGENTS | {"platform": "digitalocean"}}},
            "groups: platforms digitalocean, local — nodes elsewhere cannot reach containers on",
        ),
        (
            "dev",
            {"groups": {"server": ONE_SERVER | {"zones": ["a"], "disks": [5]}}},
            "groups.server.zones: ['a'] — nodes on this machine are containers, which have none",
        ),
        (
            "staging",
            {"groups": {"server": ONE_SERVER | {"disks": [0]}}},
            "groups.server.disks: 0 GiB — no cloud makes a disk of less than 1 GiB — write whole",
        ),
        (
            "staging",
            {"groups": {"server": {"role": "server", "count": 2}}},
            "groups: 2 servers — etcd keeps its quorum no better with an even number",
        ),
        (
            "production",
            {"k3s": K3S | {"clusterCidr": "10.42.0.0/21"}},
            "k3s.clusterCidr: 10.42.0.0/21 — each node takes a /24 of it: room for 7 nodes, not 9",
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_reason(
    stack: str, overrides: dict[str, object], start: str
) -> None:
    assert told(stack, overrides, start)


def test_more_keys_than_a_machine_can_be_handed_are_told_before_it_is_made() -> None:
    keys = [f"ssh-rsa {'A' * 716} person-{number}@desk" for number in range(20)]
    found = lines("staging", {"access": {"ssh": OFFICE, "api": OFFICE, "authorizedKeys": keys}})
    (line,) = found
    assert line.startswith("access.authorizedKeys: 20 keys — a machine gets them in its user data")


def test_github_users_and_keys_are_both_taken() -> None:
    keys = ["github:octocat", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk= me@desk"]
    access = {"ssh": OFFICE, "api": OFFICE, "authorizedKeys": keys}
    settings = parse("staging", raw("staging", {"access": access}))
    assert settings.access.github_users() == ["octocat"]
    assert settings.access.keys() == [keys[1]]


def test_a_part_that_cannot_be_read_is_not_told_to_be_missing_as_well() -> None:
    found = lines("production", {"aws": {"region": "eu-central-1", "images": []}})
    assert [line.split(":")[0] for line in found] == ["aws.images"]
    missing = lines("production", {"aws": None})
    assert any(line.startswith("aws: nothing — groups") for line in missing), missing
