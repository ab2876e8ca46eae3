"""Nodes leave the host as it was, on a machine of the test's own (own_machine.py)."""

from collections.abc import Iterator

import pytest

from tests.host import differences, left
from tests.lab.node_stack import NodeStack, succeeded
from tests.lab.own_machine import OwnMachine, own_machine

pytestmark = pytest.mark.nodes

_FORWARDING = "/proc/sys/net/ipv4/ip_forward"
_DOCKER_LIKE = "iptables -P FORWARD DROP"
_FIREWALL = f"""
{_DOCKER_LIKE}
iptables -A FORWARD -i lo -j ACCEPT
iptables -N OWN
iptables -A INPUT -j OWN
iptables -t mangle -A PREROUTING -i lo -j ACCEPT
"""
# What a host may be like before: every line is a shell command.
_HOSTS = {
    "plain": "",
    "routing already": "sysctl -qw net.ipv4.ip_forward=1",
    "routing on one interface only": """
        sysctl -qw net.ipv4.conf.lo.forwarding=1 net.ipv4.conf.all.accept_redirects=0
    """,
    "with a firewall": _FIREWALL,
    "translating addresses": """
        sysctl -qw net.ipv4.ip_forward=1
        iptables -t nat -A PREROUTING -i lo -p udp -j ACCEPT
        iptables -t nat -A OUTPUT -o lo -p udp -j ACCEPT
        iptables -t nat -A POSTROUTING -o lo -j MASQUERADE
    """,
    "where Podman ran before": """
        iptables -N NETAVARK_FORWARD
        iptables -A FORWARD -i lo -j ACCEPT
        mkdir /run/netns
        mount --bind /run/netns /run/netns
    """,
}


@pytest.fixture
def machine() -> Iterator[OwnMachine]:
    with own_machine() as made:
        yield made


@pytest.fixture
def stack(machine: OwnMachine, node_image: str) -> NodeStack:
    return NodeStack(node_image, entry=machine.entry)


def forwards(machine: OwnMachine) -> bool:
    return machine.run("cat", _FORWARDING).strip() == "1"


@pytest.mark.parametrize("commands", _HOSTS.values(), ids=_HOSTS)
def test_a_host_is_after_the_last_node_as_it_was_before_the_first(
    machine: OwnMachine, stack: NodeStack, commands: str
) -> None:
    machine.run("sh", "-ec", commands)
    before = machine.facts()

    succeeded(stack.networks("create"))
    succeeded(stack.node("create", 1))
    assert forwards(machine)
    assert differences(before, machine.facts())

    succeeded(stack.node("delete", 1))
    succeeded(stack.networks("delete"))
    if "NETAVARK_FORWARD" in commands:
        # Podman's own chain is nobody's, whichever run left it.
        found = differences(before, machine.facts())
        assert [line for line in found if "NETAVARK_FORWARD" not in line] == []
    else:
        assert left(before, look=machine.facts) == []


def test_nodes_reach_each_other_on_a_host_that_forwards_nothing_unasked(
    machine: OwnMachine, stack: NodeStack
) -> None:
    machine.run("sh", "-ec", _DOCKER_LIKE)
    succeeded(stack.networks("create"))
    for number in (1, 2):
        succeeded(stack.node("create", number))
    assert stack.banner(1, stack.private_ip(2)) == "SSH-"
    assert stack.banner(1, stack.public_ip(2)) == "SSH-"


def test_forwarding_stays_on_for_somebody_who_by_then_needs_it(
    machine: OwnMachine, stack: NodeStack
) -> None:
    succeeded(stack.networks("create"))
    succeeded(stack.node("create", 1))
    machine.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "lo", "-j", "MASQUERADE")
    succeeded(stack.node("delete", 1))
    told = stack.networks("delete")
    succeeded(told)
    assert "net.ipv4.ip_forward stays 1" in told.stderr
    assert forwards(machine)
    assert "MASQUERADE" in machine.run("iptables", "-t", "nat", "-S")


def test_a_stack_that_goes_first_leaves_the_host_to_the_other(
    machine: OwnMachine, stack: NodeStack, node_image: str
) -> None:
    before = machine.facts()
    other = NodeStack(
        node_image,
        network="k3slab-other",
        private="10.97.2",
        public="10.97.3",
        entry=machine.entry,
    )
    succeeded(stack.networks("create"))
    succeeded(stack.node("create", 1))
    # Made while the first one's traces are there: it must not take them for the host's own.
    succeeded(other.networks("create"))
    succeeded(other.node("create", 1))

    succeeded(stack.node("delete", 1))
    succeeded(stack.networks("delete"))
    assert forwards(machine)
    assert other.inside(1, "ip", "-4", "route", "show", "default")

    succeeded(other.node("delete", 1))
    succeeded(other.networks("delete"))
    assert left(before, look=machine.facts) == []


def test_what_an_interrupted_run_made_goes_with_its_networks(
    machine: OwnMachine, stack: NodeStack
) -> None:
    before = machine.facts()
    succeeded(stack.networks("create"))
    succeeded(stack.node("create", 1))
    succeeded(stack.networks("delete"))
    assert left(before, look=machine.facts) == []
    succeeded(stack.networks("delete"))
    succeeded(stack.node("delete", 1))


def test_the_note_that_create_prints_restores_a_host_whose_networks_are_gone(
    machine: OwnMachine, stack: NodeStack
) -> None:
    before = machine.facts()
    note = succeeded(stack.networks("create"))
    succeeded(stack.node("create", 1))
    succeeded(stack.node("delete", 1))
    for network in (f"{stack.network}-private", f"{stack.network}-public"):
        stack.podman("network", "rm", network)
    entry = (*stack.entry, "env", f"PULUMI_COMMAND_STDOUT={note}")
    succeeded(NodeStack(stack.image, entry=entry).networks("delete"))
    assert left(before, look=machine.facts) == []
