"""Wrong settings of existing hosts, each told with what to write."""

import base64
from typing import Any

import pytest

from components.platforms.existing.hosts import is_host_key
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.stackfiles import raw


def host_key(seed: int) -> str:
    """A host key in OpenSSH's form, another for each seed."""
    kind = b"ssh-ed25519"
    fields = (kind, bytes([seed]) * 32)
    blob = b"".join(len(field).to_bytes(4) + field for field in fields)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


SHED = {"address": "192.0.2.7", "hostKey": host_key(1)}
BARN = {"address": "192.0.2.8", "hostKey": host_key(2)}
SERVER: dict[str, Any] = {"role": "server", "nodes": ["shed"], "platform": "existing"}
# A cluster of existing hosts alone, which nothing is wrong with.
OWN: dict[str, Any] = {
    "platform": "existing",
    "groups": {"server": SERVER},
    "access": {"api": ["203.0.113.0/24"]},
    "existing": {"hosts": {"shed": SHED}},
    "aws": None,
    "digitalocean": None,
}


def lines(overrides: dict[str, object], *, operator_key_given: bool = True) -> list[str]:
    try:
        parse("hybrid", raw("hybrid", overrides), operator_key_given=operator_key_given)
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    return []


def own(**changes: object) -> list[str]:
    return lines({**OWN, **changes})


def shed(**changes: object) -> list[str]:
    return own(existing={"hosts": {"shed": SHED | changes}})


def two(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Two hosts in one network, the second an agent."""
    return own(
        groups={"server": SERVER, "agent": {"role": "agent", "nodes": ["barn"]}},
        existing={
            "hosts": {
                "shed": SHED | {"privateAddress": "10.9.0.1"} | one,
                "barn": BARN | {"privateAddress": "10.9.0.2"} | other,
            }
        },
    )


PORCH = {"address": "192.0.2.9", "privateAddress": "10.9.0.9", "hostKey": host_key(9)}
INSIDE = [
    host | {"privateAddress": f"10.9.0.{n}", "hostKey": host_key(n), "address": f"192.0.2.{n}"}
    for n, host in enumerate([SHED, BARN, PORCH], start=1)
]


def before(
    registration: object, servers: tuple[str, ...] = ("shed",), agents: tuple[str, ...] = ("barn",)
) -> list[str]:
    """Four hosts of one network, and what stands before the servers."""
    hosts = dict(zip(("shed", "barn", "coop"), INSIDE, strict=True)) | {"porch": PORCH}
    groups: dict[str, object] = {"server": SERVER | {"nodes": list(servers)}}
    if agents:
        groups["agent"] = {"role": "agent", "nodes": list(agents)}
    return own(groups=groups, existing={"hosts": hosts, "registration": registration})


THREE = ("shed", "barn", "coop")
VIP = {"address": "10.9.0.5", "interface": "eth1"}


@pytest.mark.parametrize(
    ("told", "start"),
    [
        (
            before(None, THREE, ()),
            "existing.registration: nothing — 3 servers, and no address in front of them that",
        ),
        (
            before({}),
            "existing.registration: nothing — one of a host, an address and kube-vip stands befor",
        ),
        (
            before({"host": "porch", "address": "k3s.company.tld"}),
            "existing.registration: host and address — one of a host, an address and kube-vip stan",
        ),
        (
            before({"host": "attic"}),
            "existing.registration.host: attic — existing.hosts has no host of that name — write",
        ),
        (
            before({"host": "shed"}),
            "existing.registration.host: shed — it is a server: k3s has port 6443 there, and the",
        ),
        (
            before({"host": "porch", "from": ["10.9.0.5/32"]}),
            "existing.registration.from: ['10.9.0.5/32'] — where the packets of a host of the in",
        ),
        (
            before({"address": "10.9.0.555"}),
            "existing.registration.address: 10.9.0.555 — neither a name nor an IPv4 address — wri",
        ),
        (
            before({"address": "https://k3s.company.tld"}),
            "existing.registration.address: https://k3s.company.tld — neither a name nor an IPv4",
        ),
        (
            own(existing={"hosts": {"shed": SHED, "barn": BARN}, "registration": {"host": "barn"}}),
            "existing.registration.host: barn — it has no privateAddress, and servers let in thei",
        ),
        (
            before({"kubeVip": VIP | {"address": "10.9.0.2"}}),
            "existing.registration.kubeVip.address: 10.9.0.2 — barn has it, and it would go with",
        ),
        (
            before({"kubeVip": VIP | {"address": "10.43.0.5"}}),
            "existing.registration.kubeVip.address: 10.43.0.5 — it is within k3s.serviceCidr 10.4",
        ),
        (
            before({"kubeVip": VIP | {"address": "k3s.tld"}}),
            "existing.registration.kubeVip.address: k3s.tld — input is not a valid IPv4 address —",
        ),
        (
            before({"kubeVip": VIP | {"interface": "eth0; reboot"}}),
            "existing.registration.kubeVip.interface: eth0; reboot — string should match pattern",
        ),
        (
            before({"kubeVip": VIP, "from": ["10.9.0.5/32"]}),
            "existing.registration.from: ['10.9.0.5/32'] — packets come to the servers as they are",
        ),
        (
            before({"kubeVip": VIP, "host": "porch"}),
            "existing.registration: host and kubeVip — one of a host, an address and kube-vip sta",
        ),
        (
            own(existing={"hosts": {"shed": SHED}, "registration": {"kubeVip": VIP}}),
            "existing.hosts.shed.privateAddress: nothing — kube-vip's address is one of the netwo",
        ),
        (
            lines({"existing": {"hosts": {"shed": SHED}, "registration": {"address": "k3s.tld"}}}),
            "existing.registration: address — no server is an existing host, and their platform h",
        ),
    ],
)
def test_what_cannot_stand_before_the_servers_is_told(told: list[str], start: str) -> None:
    assert [line[: len(start)] for line in told] == [start]


def test_a_host_or_an_address_may_stand_before_them() -> None:
    for given in (
        {"host": "porch"},
        {"host": "coop"},
        {"address": "k3s.company.tld"},
        {"address": "10.9.0.5", "from": ["10.9.0.5/32"]},
        {"kubeVip": VIP},
    ):
        assert before(given) == [], given
    assert before({"host": "porch"}, THREE, ()) == []
    assert before({"kubeVip": VIP}, THREE, ()) == []
    assert before(None) == []


def test_the_hybrid_stack_and_a_cluster_of_existing_hosts_are_right() -> None:
    assert lines({}) == []
    assert own() == []
    assert two({}, {}) == []
    assert shed(jump={"address": "bastion.example", "user": "me", "hostKey": host_key(9)}) == []
    assert shed(address="2001:db8::7", privateAddress="10.9.0.1") == []


@pytest.mark.parametrize(
    ("told", "start"),
    [
        (
            own(existing=None),
            "existing: nothing — groups server are on existing hosts — write existing: {hosts:",
        ),
        (
            own(groups={"server": SERVER | {"nodes": ["barn"]}}),
            "groups.server.nodes: barn — existing.hosts has no host of that name — write one of sh",
        ),
        (
            own(groups={"server": {"role": "server", "count": 1}}),
            "groups.server.count: 1 — hosts that exist are called by their names — write nodes: [s",
        ),
        (
            own(groups={"server": SERVER, "agent": {"role": "agent", "nodes": ["shed"]}}),
            "groups.agent.nodes: shed — group server has this host, and a host is one node — name",
        ),
        (
            own(groups={"server": SERVER | {"disks": [100]}}),
            "groups.server.disks: [100] — what a host has stands in existing.hosts: write disks",
        ),
        (
            own(groups={"server": SERVER | {"size": "large"}}),
            "groups.server.size: large — what a host has stands in existing.hosts: a host is as",
        ),
        (
            own(groups={"server": SERVER | {"zones": ["a"]}}),
            "groups.server.zones: ['a'] — what a host has stands in existing.hosts: write zone",
        ),
        (
            own(groups={"server": SERVER | {"arch": "arm64"}}),
            "groups.server.arch: arm64 — what a host has stands in existing.hosts: write arch",
        ),
        (
            shed(hostKey=None),
            "existing.hosts.shed.hostKey: nothing — whoever answers at the address would be handed",
        ),
        (
            shed(hostKey=f"192.0.2.7 {host_key(1)}"),
            "existing.hosts.shed.hostKey: 192.0.2.7 ssh-ed25519",
        ),
        (
            shed(jump={"address": "192.0.2.9", "port": 2222}),
            "existing.hosts.shed.jump.hostKey: nothing — whoever answers at the address would be",
        ),
        (
            shed(address="shed.example"),
            "existing.hosts.shed.address: shed.example — nodes and firewalls are told addresses",
        ),
        (
            shed(address="-oProxyCommand=x"),
            "existing.hosts.shed.address: -oProxyCommand=x — string should match pattern",
        ),
        (
            shed(user="me; reboot"),
            "existing.hosts.shed.user: me; reboot — string should match pattern",
        ),
        (
            shed(address="127.0.0.1"),
            "existing.hosts.shed.address: 127.0.0.1 — no other node can reach the host there",
        ),
        (
            shed(address="2001:db8::7"),
            "existing.hosts.shed.address: 2001:db8::7 — pods have IPv4 addresses, and k3s asks for",
        ),
        (
            shed(privateAddress="fd00::7"),
            "existing.hosts.shed.privateAddress: fd00::7 — pods have IPv4 addresses",
        ),
        (
            shed(address="10.42.3.4"),
            "k3s.clusterCidr: 10.42.0.0/16 — existing.hosts.shed has 10.42.3.4 in it, and packets",
        ),
        (shed(zone="the cellar"), "existing.hosts.shed.zone: the cellar — it becomes a label of"),
        (
            shed(disks=["sdb"]),
            "existing.hosts.shed.disks: sdb — not the path of a device — write a name that stays",
        ),
        (
            two({}, {"address": "192.0.2.7"}),
            "existing.hosts.barn.address: 192.0.2.7 — shed has the same, and two nodes cannot be",
        ),
        (
            two({}, {"hostKey": SHED["hostKey"] + " root@barn"}),
            "existing.hosts.barn.hostKey: ssh-ed25519",
        ),
        (
            two({}, {"privateAddress": "10.9.0.1"}),
            "existing.hosts.barn.privateAddress: 10.9.0.1 — shed has the same, and two nodes",
        ),
        (
            two({"address": "10.9.0.1"}, {"privateAddress": None}),
            "existing.hosts.shed.address: 10.9.0.1 — nodes are on several networks and meet over",
        ),
        (
            lines({"existing": {"hosts": {"shed": SHED | {"address": "192.168.1.7"}}}}),
            "existing.hosts.shed.address: 192.168.1.7 — nodes on aws, digitalocean cannot reach an",
        ),
        (
            own(access={}),
            "access.api: nothing — kubectl and Helm speak to the API, and the servers let nobody",
        ),
        (
            own(access={"api": ["203.0.113.0/24"], "authorizedKeys": ["github:octocat"]}),
            "access.authorizedKeys: ['github:octocat'] — who may log in on a host that exists is",
        ),
        (
            own(network={"fixedAddresses": "all"}),
            "network: {'nodes': 'public', 'fixedAddresses': 'all'} — hosts that exist have their",
        ),
        (
            own(
                k3s={
                    "version": "v1.35.6+k3s1",
                    "clusterCidrIpv6": "fd42::/56",
                    "serviceCidrIpv6": "fd43::/112",
                }
            ),
            "k3s.clusterCidrIpv6: fd42::/56 — dual stack needs both families on every node",
        ),
        (
            lines({}, operator_key_given=False),
            "operatorKey: nothing — with a key that the stack makes nobody can log in on a host",
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_reason(told: list[str], start: str) -> None:
    assert any(line.startswith(start) for line in told), told
    assert len(told) == 1, told


def test_how_to_get_a_host_key_is_told_for_the_very_host_and_port() -> None:
    (line,) = shed(hostKey=None, port=2222)
    assert "run ssh-keyscan -p 2222 -t ed25519 192.0.2.7, compare its fingerprint" in line
    assert "on the host's own console" in line


def test_the_key_of_a_cluster_without_existing_hosts_may_be_made_by_the_stack() -> None:
    parse("staging", raw("staging"), operator_key_given=False)
    parse("dev", raw("dev"), operator_key_given=False)


def test_hosts_that_no_group_names_are_judged_by_themselves_alone() -> None:
    spare = {"address": "192.168.1.7", "hostKey": host_key(5)}
    assert lines({"existing": {"hosts": {"shed": SHED, "spare": spare}}}) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        f"{host_key(1)}\n{host_key(2)}",
        host_key(1).replace("ssh-ed25519 ", "ecdsa-sha2-nistp256 "),
        host_key(1)[:-8],
        host_key(1).replace("ssh-ed25519 ", "ssh-rsa "),
        "SHA256:0HYMMAqkBkCrpK4SGvcxdnUWEdFqV3Rdbrmv9t6W3VM",
    ],
)
def test_what_is_no_whole_host_key_is_none(text: str) -> None:
    assert not is_host_key(text)


def test_a_host_key_may_have_a_comment() -> None:
    assert is_host_key(host_key(1))
    assert is_host_key(f"{host_key(1)} root@shed\n")
