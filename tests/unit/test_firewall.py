"""The table of admitted traffic."""

import pytest

from components.firewall import Facts, rows

NEVER_OPEN = {"22", "6443", "10250", "8472", "2379-2380"}


def test_a_single_server_opens_no_etcd_ports() -> None:
    assert "2379-2380" not in {row.ports for row in rows(Facts(servers=1))}
    assert [row.source for row in rows(Facts(servers=3)) if row.ports == "2379-2380"] == ["servers"]


@pytest.mark.parametrize("servers", [1, 3, 5])
def test_nothing_is_open_to_the_internet(servers: int) -> None:
    assert not [row for row in rows(Facts(servers=servers)) if row.source == "internet"]
    assert {row.ports for row in rows(Facts(servers=3))} >= NEVER_OPEN


def test_vxlan_stays_on_the_private_side() -> None:
    assert {row.over for row in rows(Facts(servers=3)) if row.name == "vxlan"} == {"private"}


def test_every_row_has_a_name_of_its_own_and_says_why() -> None:
    table = rows(Facts(servers=3))
    assert len({row.name for row in table}) == len(table)
    assert all(len(row.why.split()) > 3 for row in table)
