"""The table of admitted traffic."""

import ipaddress
from typing import Literal

import pytest

from components.access import Cidr
from components.firewall import TABLE, Facts, Row, problems, rows
from components.network import Opening, Profile
from stacks.firewall_page import page
from tests.unit.stackfiles import ROOT

SENSITIVE = {"22", "6443", "10250", "8472", "2379-2380", "9100"}
EVERY_PROFILE: tuple[Profile, ...] = (
    *("ingress", "metallb", "prometheus", "workadventure"),
    *("calico", "calico-bgp", "calico-wireguard", "cilium", "cilium-hubble", "cilium-wireguard"),
)
OFFICE: Cidr = ipaddress.ip_network("203.0.113.0/24")


def named(facts: Facts) -> dict[str, Row]:
    return {row.name: row for row in rows(facts)}


def test_a_cluster_of_one_network_opens_what_k3s_needs_and_no_more() -> None:
    assert list(named(Facts(servers=1))) == [
        *("ssh", "api", "api-registration", "api-balancer", "api-nodes", "kubelet", "vxlan"),
        "icmp",
    ]


def test_etcd_is_opened_between_several_servers_only() -> None:
    assert "etcd" not in named(Facts(servers=1))
    etcd = named(Facts(servers=3))["etcd"]
    assert (etcd.ports, etcd.source, etcd.destination, etcd.over) == (
        *("2379-2380", "servers", "servers", "private"),
    )


def test_the_operator_comes_from_where_access_says() -> None:
    home: Cidr = ipaddress.ip_network("198.51.100.7/32")
    held = named(Facts(servers=1, ssh=[OFFICE], api=[OFFICE, home]))
    assert held["ssh"].cidrs == (OFFICE,)
    assert held["api"].cidrs == (OFFICE, home)


@pytest.mark.parametrize("servers", [1, 3, 5])
@pytest.mark.parametrize("spans", [True, False])
def test_no_profile_opens_a_port_of_the_clusters_own_to_the_internet(
    servers: int, spans: bool
) -> None:
    facts = Facts(servers=servers, spans=spans, ipv6=True, profiles=EVERY_PROFILE)
    opened = {row.ports for row in rows(facts) if row.source == "internet"}
    assert opened == {"80", "443", "3478", "5349", "10000-20000"}
    assert not opened & SENSITIVE


def test_vxlan_is_never_sent_over_public_addresses() -> None:
    assert {e.row.over for e in TABLE if "8472" in e.row.ports or "4789" in e.row.ports} == {
        "private"
    }


def test_wireguard_takes_the_place_of_vxlan_over_private_addresses_in_one_network() -> None:
    held = named(Facts(servers=1, backend="wireguard-native"))
    assert "vxlan" not in held
    assert held["wireguard"].over == "private"
    assert "wireguard-v6" not in held
    assert "wireguard-v6" in named(Facts(servers=1, backend="wireguard-native", dual_stack=True))


def test_over_several_networks_wireguard_and_the_api_go_over_public_addresses() -> None:
    held = named(Facts(servers=3, backend="wireguard-native", spans=True))
    assert {name for name, row in held.items() if row.over == "public"} == {
        *("ssh", "api", "api-registration", "api-nodes-public", "wireguard-public"),
    }
    assert "wireguard" not in held


def test_a_cloud_balancer_in_front_closes_the_nodes_own_web_ports() -> None:
    held = named(Facts(servers=1, profiles=("ingress", "cloud-balancers")))
    assert not {"http", "https"} & set(held)
    assert held["node-ports"].source == "balancers"


def test_the_internet_is_ipv6_too_where_platforms_have_it() -> None:
    web = Facts(servers=1, profiles=("ingress",), ipv6=True)
    assert [str(cidr) for cidr in named(web)["http"].cidrs] == ["0.0.0.0/0", "::/0"]
    assert [str(c) for c in named(Facts(servers=1, profiles=("ingress",)))["http"].cidrs] == [
        "0.0.0.0/0"
    ]


def test_what_network_open_lists_is_a_row_like_any_other() -> None:
    opening = Opening(name="game", protocol="udp", ports="3478", source=(OFFICE,), to="agents")
    row = rows(Facts(servers=1, open=[opening]))[-1]
    assert (row.name, row.protocol, row.ports, row.destination) == (
        *("open-game", "udp", "3478", "agents"),
    )
    assert row.cidrs == (OFFICE,)
    assert row.port_range() == (3478, 3478)


@pytest.mark.parametrize(
    ("protocol", "ports", "told"),
    [
        ("tcp", "10000-20000", ["10250"]),
        ("tcp", "1-65535", ["22", "6443", "2379-2380", "10250", "9100"]),
        ("tcp", "2380-2400", ["2379-2380"]),
        ("udp", "8000-9000", ["8472"]),
        ("udp", "10000-20000", []),
        ("tcp", "10250", []),
        ("tcp", "2379-2380", []),
        ("tcp", "443", []),
        ("tcp", "9-1", []),
    ],
)
def test_a_range_never_takes_in_a_port_of_the_clusters_own_by_the_way(
    protocol: Literal["tcp", "udp"], ports: str, told: list[str]
) -> None:
    opening = Opening(name="game", protocol=protocol, ports=ports, source=(OFFICE,))
    found = list(problems([opening]))
    assert {problem.key for problem in found} <= {"network.open.game.ports"}
    assert [problem.write.split()[-2] for problem in found] == told


def test_every_row_has_a_name_of_its_own_and_says_why() -> None:
    names = [entry.row.name for entry in TABLE]
    assert len(set(names)) == len(names)
    assert all(len(entry.row.why.split()) > 3 for entry in TABLE)


def test_the_page_in_docs_is_the_one_that_the_table_makes() -> None:
    assert (ROOT / "docs" / "firewall.md").read_text() == page(), (
        "run: python -m stacks.firewall_page > docs/firewall.md"
    )
