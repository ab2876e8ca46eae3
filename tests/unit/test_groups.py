"""Nodes and their addresses follow from names, never from places in a list."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from components.groups import NodeGroup
from components.platforms.local.settings import address

CIDR = ipaddress.IPv4Network("10.120.0.0/16")


def test_a_count_names_nodes_from_one() -> None:
    assert NodeGroup(role="agent", count=2).node_names("dev", "a") == ["dev-a-1", "dev-a-2"]


def test_one_can_be_taken_out_of_the_middle() -> None:
    assert NodeGroup(role="agent", nodes=("1", "3")).node_names("dev", "a") == [
        "dev-a-1",
        "dev-a-3",
    ]


@given(st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True), st.integers(8, 24))
def test_an_address_is_in_its_network_and_not_one_of_the_first_ten(name: str, prefix: int) -> None:
    cidr = ipaddress.ip_network(f"10.0.0.0/{prefix}")
    found = address(cidr, name)
    assert found in cidr
    assert int(found) - int(cidr.network_address) >= 10
    assert found != cidr.broadcast_address


def test_an_address_is_the_same_whoever_else_is_there() -> None:
    assert address(CIDR, "dev-agent-2") == address(CIDR, "dev-agent-2")
    assert address(CIDR, "dev-agent-2") != address(CIDR, "dev-agent-1")
