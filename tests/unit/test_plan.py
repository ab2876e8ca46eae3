"""The firewall's rows, worked out for one network."""

import ipaddress
from dataclasses import replace

import pytest

from components import firewall
from components.firewall import Facts, Row
from components.groups import NodeGroup
from components.network import Opening
from components.platforms.plan import (
    Balancer,
    CloudBalancers,
    Group,
    Outside,
    Peer,
    Rule,
    plan,
)
from components.topology import Node, nodes

OFFICE = ipaddress.ip_network("203.0.113.0/24")
HOME = ipaddress.ip_network("198.51.100.0/24")
SPANNING = Facts(servers=3, ssh=[OFFICE], api=[HOME], backend="wireguard-native", spans=True)
ONE_NETWORK = Facts(servers=3, ssh=[OFFICE], api=[HOME])


def hybrid() -> list[Node]:
    """Servers on AWS, agents on DigitalOcean, one existing host on its own."""
    groups = {
        "server": NodeGroup(role="server", count=3),
        "agent": NodeGroup(role="agent", count=2, platform="digitalocean"),
        "home": NodeGroup(role="agent", nodes=("shed",), platform="existing"),
    }
    return nodes("hybrid", "aws", groups, lone_hosts=["shed"])


def alike(agents: int = 2) -> list[Node]:
    """Three servers and some agents, all on AWS."""
    groups = {"server": NodeGroup(role="server", count=3)}
    if agents:
        groups["agent"] = NodeGroup(role="agent", count=agents)
    return nodes("one", "aws", groups)


def rules(facts: Facts, members: list[Node], network: str) -> list[Rule]:
    return plan(firewall.rows(facts), members, network)


def of(found: list[Rule], traffic: str) -> set[tuple[str, object]]:
    """Target and source of the rules that let in e.g. `tcp 6443`."""
    return {
        (rule.target, rule.source)
        for rule in found
        if f"{rule.row.protocol} {rule.row.ports}" == traffic
    }


def test_rows_that_let_in_the_same_give_one_rule() -> None:
    profiles = ["ingress", "workadventure"]
    found = rules(replace(ONE_NETWORK, profiles=profiles, embedded_registry=True), alike(), "aws")
    keys = [(r.row.protocol, r.row.ports, r.target, r.source) for r in found]
    assert len(keys) == len(set(keys))
    everywhere = Outside(cidr=ipaddress.ip_network("0.0.0.0/0"))
    assert of(found, "tcp 443") == {("servers", everywhere), ("agents", everywhere)}
    named = [r.row.name for r in found if r.row.ports == "443"]
    assert named == ["https", "https"], "the first row of the table gives the rule its name"


def test_a_row_listed_twice_over_keeps_its_first_reason() -> None:
    opening = Opening.model_validate(
        {"name": "more-ssh", "protocol": "tcp", "ports": "22", "from": [OFFICE]}
    )
    found = rules(replace(ONE_NETWORK, open=[opening]), alike(), "aws")
    assert {r.row.name for r in found if r.row.ports == "22"} == {"ssh"}


def test_other_ports_or_another_source_are_other_rules() -> None:
    opening = Opening.model_validate(
        {"name": "home-ssh", "protocol": "tcp", "ports": "22", "from": [HOME]}
    )
    found = rules(replace(ONE_NETWORK, open=[opening]), alike(), "aws")
    assert {source for _, source in of(found, "tcp 22")} == {
        Outside(cidr=OFFICE),
        Outside(cidr=HOME),
    }


@pytest.mark.parametrize("network", ["aws", "digitalocean", "existing:shed"])
def test_private_rows_never_name_a_peer_and_only_groups_that_are_here(network: str) -> None:
    members = hybrid()
    here = {f"{m.role}s" for m in members if m.network == network}
    private = [r for r in rules(SPANNING, members, network) if r.row.over == "private"]
    assert private
    for rule in private:
        assert isinstance(rule.source, (Group, Balancer)), rule
        if isinstance(rule.source, Group):
            assert rule.source.name in here, rule


@pytest.mark.parametrize("network", ["aws", "digitalocean", "existing:shed"])
def test_public_rows_between_nodes_name_exactly_the_nodes(network: str) -> None:
    members = hybrid()
    found = rules(SPANNING, members, network)
    everyone = {Peer(name=m.name) for m in members}
    wireguard: dict[str, set[object]] = {}
    for target, source in of(found, "udp 51820"):
        wireguard.setdefault(target, set()).add(source)
    assert wireguard
    assert all(sources == everyone for sources in wireguard.values())
    joining = of(found, "tcp 6443")
    assert {s for t, s in joining if t == "registration address" and isinstance(s, Peer)} == (
        everyone
    )


@pytest.mark.parametrize(
    ("network", "targets"),
    [
        ("aws", {"servers", "registration address"}),
        ("digitalocean", {"agents", "registration address"}),
        ("existing:shed", {"agents", "registration address"}),
    ],
)
def test_only_roles_that_are_there_are_targets(network: str, targets: set[str]) -> None:
    assert {rule.target for rule in rules(SPANNING, hybrid(), network)} == targets


def test_a_cluster_of_servers_alone_names_no_agents() -> None:
    for rule in rules(ONE_NETWORK, alike(agents=0), "aws"):
        assert rule.target != "agents"
        assert rule.source != Group(name="agents")


def test_etcd_is_for_servers_of_the_same_network_alone() -> None:
    assert of(rules(SPANNING, hybrid(), "aws"), "tcp 2379-2380") == {
        ("servers", Group(name="servers"))
    }
    assert not of(rules(SPANNING, hybrid(), "digitalocean"), "tcp 2379-2380")


def test_the_operator_reaches_nodes_by_ssh_and_the_registration_address_by_the_api() -> None:
    found = rules(ONE_NETWORK, alike(), "aws")
    assert of(found, "tcp 22") == {
        ("servers", Outside(cidr=OFFICE)),
        ("agents", Outside(cidr=OFFICE)),
    }
    outside = {(t, s) for t, s in of(found, "tcp 6443") if isinstance(s, Outside)}
    assert outside == {("registration address", Outside(cidr=HOME))}


def test_servers_take_the_api_from_the_balancer_and_nodes_from_cloud_balancers() -> None:
    found = rules(replace(ONE_NETWORK, profiles=["cloud-balancers"]), alike(), "aws")
    assert ("servers", Balancer()) in of(found, "tcp 6443")
    assert of(found, "tcp 30000-32767") == {
        ("servers", CloudBalancers()),
        ("agents", CloudBalancers()),
    }


def test_an_opening_for_agents_is_one_for_agents() -> None:
    opening = Opening.model_validate(
        {"name": "game", "protocol": "udp", "ports": "27015", "from": [OFFICE], "to": "agents"}
    )
    found = rules(replace(ONE_NETWORK, open=[opening]), alike(), "aws")
    assert of(found, "udp 27015") == {("agents", Outside(cidr=OFFICE))}


def test_a_row_without_sources_lets_nobody_in() -> None:
    row = Row(
        name="api",
        protocol="tcp",
        ports="6443",
        source="operator",
        destination="registration address",
        over="public",
        why="access.api is empty",
    )
    assert plan([row], alike(), "aws") == []
