"""Who reaches which port, worked out from the rules that the clouds are given.

`EXAMPLES=1000 pytest tests/unit/test_reachability.py` tries more settings than CI does.
"""

import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, seed
from hypothesis import settings as how

from components import firewall
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit import recordings
from tests.unit.reachability import world
from tests.unit.reachability.cloud import CannotTellError
from tests.unit.reachability.promise import BALANCER, BASTION
from tests.unit.reachability.settings import clusters
from tests.unit.reachability.table import STRANGER
from tests.unit.reachability.traffic import Address, Packet, Spans, holds, lets_in
from tests.unit.reachability.world import World
from tests.unit.recorder import Recording, Registration
from tests.unit.stackfiles import raw

STACKS = ["staging", "production", "hybrid"]
# What must never be open to the internet: SSH, the API, the kubelet, VXLAN, etcd, node exporters.
NEVER = [("tcp", port) for port in (22, 6443, 10250, 2379, 2380, 9100)] + [("udp", 8472)]
EXAMPLES = int(os.environ.get("EXAMPLES", "25"))

# The same examples every time and in both tests, so that each cluster is recorded once.
many = how(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("stack", STACKS)
def test_the_recorded_rules_let_in_what_the_rows_promise_and_nothing_else(stack: str) -> None:
    assert world.of_stack(stack).differences() == []


@pytest.mark.parametrize("stack", STACKS)
def test_a_stranger_reaches_nothing_at_all(stack: str) -> None:
    assert {name: spans for name, spans in world.of_stack(stack).open_to(STRANGER) if spans} == {}


@pytest.mark.parametrize(
    ("stack", "operator"),
    [("staging", "203.0.113.9"), ("production", "198.51.100.9"), ("hybrid", "203.0.113.9")],
)
def test_the_operator_reaches_ssh_on_every_node_and_the_api_by_the_balancer(
    stack: str, operator: str
) -> None:
    known = world.of_stack(stack)
    for name, spans in known.open_to(ipaddress.ip_address(operator)):
        # An existing host's SSH is its owner's: the cluster's table says nothing about it.
        wanted = [] if name in known.tables else [6443] if name == BALANCER else [22]
        assert [(s.protocol, s.low, s.high) for s in spans] == [("tcp", p, p) for p in wanted], name


@pytest.mark.parametrize("stack", STACKS)
def test_every_node_reaches_the_balancer_and_the_balancer_every_server(stack: str) -> None:
    known = world.of_stack(stack)
    (home,) = (cloud for cloud in known.clouds if cloud.has_balancer())
    for node, address in known.seen_as():
        assert lets_in(home.balancer_admitted(Packet(address)), "tcp", 6443), node
    for node in home.nodes():
        behind = lets_in(home.admitted_from_balancer(node), "tcp", 6443)
        assert behind is (known.promise.roles[node] == "server"), node


@pytest.mark.parametrize("stack", STACKS)
def test_nodes_can_be_reached_from_the_internet_by_those_who_may(stack: str) -> None:
    for cloud in world.of_stack(stack).clouds:
        assert all(cloud.has_public(node, 4) for node in cloud.nodes())
        assert not any(cloud.has_public(node, 6) for node in cloud.nodes())


def test_private_nodes_have_no_way_in_from_the_internet_but_the_bastion() -> None:
    known = world.of_stack("production", {"network": {"nodes": "private", "ipv6": True}})
    assert known.differences() == []
    (aws,) = known.clouds
    assert not any(aws.has_public(node, version) for node in aws.nodes() for version in (4, 6))
    (bastion,) = aws.others()
    assert aws.has_public(bastion, 4)
    operator = Packet(ipaddress.ip_address("198.51.100.9"))
    assert lets_in(aws.admitted(bastion, operator), "tcp", 22)


@seed(4)
@many
@given(clusters())
def test_no_setting_short_of_an_explicit_one_opens_the_clusters_own_ports(
    given_settings: dict[str, Any],
) -> None:
    known = _made(given_settings)
    for address in [*known.outsiders(4), *known.outsiders(6)]:
        for name, spans in known.open_to(address):
            for protocol, port in NEVER:
                if lets_in(spans, protocol, port):
                    assert _is_explicit(given_settings, name, address, protocol, port), (
                        f"{address} reaches {protocol} {port} of {name}"
                    )


@seed(4)
@many
@given(clusters())
def test_any_settings_let_in_what_the_rows_promise_and_nothing_else(
    given_settings: dict[str, Any],
) -> None:
    assert _made(given_settings).differences() == []


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_half_the_internet_is_let_in_by_half_and_no_more(stack: str) -> None:
    access = {"ssh": ["0.0.0.0/1"], "api": ["0.0.0.0/1"]}
    known = world.of_stack(stack, {"access": access})
    for address, is_open in (("9.9.9.9", True), ("200.9.9.9", False)):
        opened = dict(known.open_to(ipaddress.ip_address(address)))
        for name, spans in opened.items():
            assert lets_in(spans, "tcp", 6443 if name == BALANCER else 22) is is_open, name


AWS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
DO_FIREWALL = "digitalocean:index/firewall:Firewall"
DO_BALANCER = "digitalocean:index/loadBalancer:LoadBalancer"


@pytest.mark.parametrize("planted", ["0.0.0.0/0", "100.128.0.0/9"])
def test_an_open_rule_planted_on_aws_is_noticed(planted: str) -> None:
    recording = recordings.of("production")
    kubelet = next(r for r in recording.of_type(AWS_RULE) if r.inputs["fromPort"] == 10250)
    opened = {k: v for k, v in kubelet.inputs.items() if k != "referencedSecurityGroupId"}
    recording.registrations.append(replace(kubelet, inputs={**opened, "cidrIpv4": planted}))
    _assert_noticed(recording, "production", "tcp", 10250)


def test_an_open_rule_planted_on_digitalocean_is_noticed() -> None:
    recording = recordings.of("staging")
    _change(
        recording,
        "staging-firewall-agents",
        inboundRules=[{"protocol": "tcp", "portRange": "9000-9200", "sourceAddresses": ["::/0"]}],
    )
    made = _world("staging", recording)
    opened = dict(made.open_to(ipaddress.ip_address("2001:db8:ffff::1")))
    assert lets_in(opened["staging-agent-1"], "tcp", 9100)
    assert any("to staging-agent-1: let in" in difference for difference in made.differences())


def test_a_droplet_without_a_firewall_is_open() -> None:
    recording = recordings.of("staging")
    _change(recording, "staging-agent-1", tags=[])
    _assert_noticed(recording, "staging", "udp", 8472)


def test_a_balancer_that_allows_nobody_by_name_allows_everybody() -> None:
    recording = recordings.of("staging")
    _change(recording, "staging-balancer", firewall={"allows": []})
    _assert_noticed(recording, "staging", "tcp", 6443)


def test_a_balancer_without_a_security_group_allows_everybody() -> None:
    recording = recordings.of("production")
    (balancer,) = recording.of_type("aws:lb/loadBalancer:LoadBalancer")
    _change(recording, balancer.name, securityGroups=[])
    _assert_noticed(recording, "production", "tcp", 6443)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("ip saddr { 18.", "ip saddr { 100.128.0.0/9, 18."),
        ("udp dport 51820 accept", "udp dport 51821 accept"),
    ],
)
def test_a_changed_table_of_an_existing_host_is_noticed(text: str, instead: str) -> None:
    recording = recordings.of("hybrid")
    host = recording.resources["hybrid-home-shed-host"]
    stdin = host.marked["stdin"]
    assert text in stdin
    changed = replace(host, marked={**host.marked, "stdin": stdin.replace(text, instead)})
    recording.resources[host.name] = changed
    found = _world("hybrid", recording).differences()
    assert any("to hybrid-home-shed: let in" in difference for difference in found)


def test_every_port_that_must_not_be_open_is_closed_on_an_existing_host() -> None:
    closed = world.of_stack("hybrid").tables["hybrid-home-shed"].closed()
    assert [p for p in NEVER if not lets_in(closed, *p)] == [("tcp", 22)]


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_a_rule_left_out_is_noticed(stack: str) -> None:
    recording = recordings.of(stack)
    gone = {
        "staging": f"{stack}-firewall-servers",
        "production": f"{stack}-agents-tcp-22-198.51.100.0/24",
    }
    recording.registrations = [r for r in recording.registrations if r.name != gone[stack]]
    assert _world(stack, recording).differences()


@pytest.mark.parametrize(
    ("stack", "token"),
    [
        ("production", "aws:ec2/securityGroupRule:SecurityGroupRule"),
        ("staging", "digitalocean:index/kubernetesCluster:KubernetesCluster"),
    ],
)
def test_what_the_evaluator_does_not_know_it_does_not_pass_over(stack: str, token: str) -> None:
    recording = recordings.of(stack)
    recording.registrations.append(replace(recording.registrations[-1], type=token))
    with pytest.raises(CannotTellError, match=token):
        _world(stack, recording)


@cache
def _recorded(text: str) -> World | None:
    try:
        return world.of_stack("hybrid", json.loads(text))
    except SettingsError:
        return None


def _made(given_settings: dict[str, Any]) -> World:
    """The cluster of these settings; settings that are refused open nothing."""
    made = _recorded(json.dumps(given_settings))
    assume(made is not None)
    assert made is not None
    return made


def _is_explicit(
    given_settings: dict[str, Any], name: str, address: Address, protocol: str, port: int
) -> bool:
    """Whether a person wrote that this address may come in on exactly this port."""
    return any(
        holds(networks, address) for networks in _written(given_settings, name, protocol, port)
    )


def _written(
    given_settings: dict[str, Any], name: str, protocol: str, port: int
) -> Iterator[list[Any]]:
    access, is_node = given_settings["access"], name != BALANCER
    if (protocol, port) == ("tcp", 22) and is_node:
        yield list(map(ipaddress.ip_network, access["ssh"]))
    if (protocol, port) == ("tcp", 6443) and not is_node:
        yield list(map(ipaddress.ip_network, access["api"]))
    for entry in given_settings["network"]["open"]:
        ports = (str(port), "2379-2380") if port in (2379, 2380) else (str(port),)
        if (
            is_node
            and name != BASTION
            and entry["protocol"] == protocol
            and entry["ports"] in ports
        ):
            yield list(map(ipaddress.ip_network, entry["from"]))


def _world(stack: str, recording: Recording) -> World:
    rows = firewall.rows(parse(stack, raw(stack)).firewall_facts(stack))
    return world.of_recording(recording, rows)


def _change(recording: Recording, name: str, **inputs: Any) -> None:
    """Replace inputs of one recorded resource; a firewall's rules are added to those it has."""

    def changed(resource: Registration) -> Registration:
        if resource.name != name:
            return resource
        old = resource.inputs.get("inboundRules", [])
        new = {k: [*old, *v] if k == "inboundRules" else v for k, v in inputs.items()}
        return replace(resource, inputs={**resource.inputs, **new})

    recording.registrations = [changed(resource) for resource in recording.registrations]


def _assert_noticed(recording: Recording, stack: str, protocol: str, port: int) -> None:
    made = _world(stack, recording)
    assert any(lets_in(spans, protocol, port) for _, spans in _opened(made))
    assert made.differences()


def _opened(made: World) -> Iterator[tuple[str, Spans]]:
    yield from made.open_to(STRANGER)
