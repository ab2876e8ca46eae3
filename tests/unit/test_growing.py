"""A node that joins or leaves touches nothing but itself and rows that name its address."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.unit import recordings
from tests.unit.recorder import Recording, Registration
from tests.unit.stackfiles import ROOT
from tests.unit.test_swapped_platform import SWAPPED

# A second existing host, for a group that grows by one.
BARN = {
    "address": "192.0.2.8",
    "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
}
# What holds one list of addresses or nodes, by its nature: everything else has a resource for each.
LISTS = {
    "digitalocean:index/loadBalancer:LoadBalancer": {"firewall"},
    "digitalocean:index/firewall:Firewall": {"inboundRules"},
    "command:remote:Command": {"stdin"},
    # Who is named no longer leaves; a list that changes has a number of its own.
    "random:index/randomId:RandomId": {"keepers"},
    # Ceph is one cluster over the disks of all nodes.
    "kubernetes:helm.sh/v3:Release": {"values"},
}
STACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "staging": ("staging", {}),
    "staging on aws": ("staging", SWAPPED["staging"]),
    "production": ("production", {}),
    "production on digitalocean": ("production", SWAPPED["production"]),
    "hybrid": ("hybrid", {}),
    "hybrid from digitalocean": (
        "hybrid",
        {"platform": "digitalocean", "groups": {"agent": {"platform": "aws"}}},
    ),
}
AGENTS = [
    (stack, group)
    for stack, groups in {
        "staging": ["agent"],
        "staging on aws": ["agent"],
        "production": ["agent", "storage"],
        "production on digitalocean": ["agent", "storage"],
        "hybrid": ["agent"],
        "hybrid from digitalocean": ["agent"],
    }.items()
    for group in groups
]


@pytest.mark.parametrize(("stack", "group"), AGENTS)
def test_an_agent_that_joins_adds_its_own_resources_and_rows_alone(stack: str, group: str) -> None:
    count = _settings(stack)["groups"][group]["count"]
    before = _recorded(stack, {})
    after = _recorded(stack, {group: {"count": count + 1}})
    _assert_only(f"{STACKS[stack][0]}-{group}-{count + 1}", smaller=before, larger=after)


@pytest.mark.parametrize(("stack", "group"), AGENTS)
def test_an_agent_taken_out_of_the_middle_takes_its_own_resources_and_rows_alone(
    stack: str, group: str
) -> None:
    # Four, as Rook keeps three copies of what is on the storage nodes of production.
    before = _recorded(stack, {group: {"count": 4}})
    after = _recorded(stack, {group: {"count": None, "nodes": ["1", "3", "4"]}})
    _assert_only(f"{STACKS[stack][0]}-{group}-2", smaller=after, larger=before)


@pytest.mark.parametrize("stack", ["hybrid", "hybrid from digitalocean"])
def test_an_existing_host_that_joins_adds_its_own_resources_and_rows_alone(stack: str) -> None:
    hosts = {**_settings(stack)["existing"]["hosts"], "barn": BARN}
    # Its place in the list of nodes says nothing: the host that is there comes second.
    after = _recorded(stack, {"home": {"nodes": ["barn", "shed"]}}, existing={"hosts": hosts})
    _assert_only("hybrid-home-barn", smaller=_recorded(stack, {}), larger=after)


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_a_server_more_leaves_the_machines_that_are_there(stack: str) -> None:
    count = _settings(stack)["groups"]["server"]["count"]
    before = _recorded(stack, {})
    after = _recorded(stack, {"server": {"count": count + 2}})
    machines = ("aws:ec2/instance:Instance", "digitalocean:index/droplet:Droplet")
    for machine in (r for r in before.registrations if r.type in machines):
        assert after.resources[machine.name].inputs == machine.inputs, machine.name


def test_a_group_more_leaves_all_others_alone() -> None:
    before = _recorded("production", {})
    after = _recorded("production", {"extra": {"role": "agent", "count": 1}})
    _assert_only("production-extra-1", smaller=before, larger=after)


def test_a_change_to_another_node_is_noticed() -> None:
    before = _recorded("staging", {})
    after = _recorded("staging", {"agent": {"count": 3, "size": "large"}})
    with pytest.raises(AssertionError, match=r"staging-agent-[12]: size"):
        _assert_only("staging-agent-3", smaller=before, larger=after)


def _assert_only(node: str, *, smaller: Recording, larger: Recording) -> None:
    """`larger` is `smaller` and what belongs to `node`, be it that it came or that it went."""
    few, many = _by_urn(smaller), _by_urn(larger)
    assert not set(few) - set(many)
    own = set(many) - set(few)
    assert own
    assert [urn for urn in own if node not in urn[1]] == []
    told = next(n for n in larger.outputs["nodes"] if n["name"] == node)
    addresses = (*told["addresses"]["private"], *told["addresses"]["public"])
    its_own = {node, *addresses, *_sources(larger, node)}
    for urn, resource in few.items():
        _assert_same(urn, resource, many[urn], its_own)


def _assert_same(
    urn: tuple[str, str], few: Registration, many: Registration, its_own: set[str]
) -> None:
    where = f"{urn[0]} {urn[1]}"
    listed = LISTS.get(urn[0], set())
    for key in {*few.inputs, *many.inputs}:
        old, new = few.inputs.get(key), many.inputs.get(key)
        if key in listed:
            # The mere lists lose the node and its addresses, and nothing else.
            new, old = (_without(value, its_own) for value in (new, old))
        assert new == old, f"{where}: {key}"
    for option in ("protect", "provider", "deletedWith", "deleteBeforeReplace"):
        assert getattr(many.request, option) == getattr(few.request, option), f"{where}: {option}"
    assert list(many.request.ignoreChanges) == list(few.request.ignoreChanges), where


def _without(value: Any, addresses: set[str]) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _without(item, addresses) for key, item in value.items()}
        # A list that held nothing else is not there without them.
        return {key: item for key, item in kept.items() if item != [] or value[key] == []}
    if isinstance(value, list):
        return [_without(item, addresses) for item in value if not _names(item, addresses)]
    if isinstance(value, str) and "\n" in value:
        return _text_without(value, addresses)
    if isinstance(value, str):
        return _words_without(value, addresses)
    return value


def _names(item: Any, addresses: set[str]) -> bool:
    if isinstance(item, Mapping):
        return item.get("name") in addresses
    if not isinstance(item, str):
        return False
    return item.removeprefix("ip:").partition("/")[0] in addresses


def _text_without(text: str, addresses: set[str]) -> str:
    """A firewall's text: `{ 192.0.2.1, 192.0.2.2 }` loses those addresses; Ceph's, its count."""
    lines = []
    for line in text.splitlines():
        if line.startswith("DISKS="):
            continue
        if line.startswith("NODES="):
            line = _words_without(line.replace("'", " "), addresses)
        head, bracket, rest = line.partition("saddr { ")
        inner, closing, tail = rest.partition(" }")
        if bracket and closing:
            kept = [a for a in inner.split(", ") if a not in addresses]
            line = f"{head}{bracket}{', '.join(kept)}{closing}{tail}"
        lines.append(line)
    return "\n".join(lines)


def _words_without(text: str, names: set[str]) -> str:
    return " ".join(word for word in text.split() if word not in names)


def _sources(recording: Recording, node: str) -> Iterator[str]:
    """Addresses that the node's machine has in its cloud, stable or lent."""
    for resource in recording.registrations:
        if resource.name == node or resource.name.startswith(f"{node}-"):
            for key in ("publicIp", "ipv4Address", "ipAddress", "ipv4AddressPrivate", "privateIp"):
                if isinstance(resource.outputs.get(key), str):
                    yield resource.outputs[key]


def _by_urn(recording: Recording) -> dict[tuple[str, str], Registration]:
    return {(r.type, r.name): r for r in recording.registrations if r.request.custom}


def _settings(stack: str) -> dict[str, Any]:
    """The stack file's values, with those of the variant merged into them."""
    name, changes = STACKS[stack]
    text = (ROOT / f"Pulumi.{name}.yaml").read_text()
    values = {k.removeprefix("k3s:"): v for k, v in yaml.safe_load(text)["config"].items()}
    for key, value in changes.items():
        if key == "groups":
            values[key] = {g: {**s, **value.get(g, {})} for g, s in values[key].items()}
        else:
            values[key] = value
    return values


def _recorded(stack: str, groups: dict[str, dict[str, Any]], **other: Any) -> Recording:
    """The stack with changes to some groups; None takes a key out."""
    values = copy.deepcopy(_settings(stack)) | other
    for name, change in groups.items():
        merged = {**values["groups"].get(name, {}), **change}
        values["groups"][name] = {k: v for k, v in merged.items() if v is not None}
    return recordings.of(STACKS[stack][0], json.loads(json.dumps(values)))
