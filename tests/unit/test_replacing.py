"""`replace` and `bootstrapServer`: which machine is made anew, once, and who starts the cluster."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit import recordings
from tests.unit.stackfiles import raw

SERVERS = {"server": {"role": "server", "count": 3}, "agent": {"role": "agent", "count": 2}}
MACHINES = [
    ("dev", "dev-agent-1"),
    ("staging", "staging-agent-1"),
    ("production", "production-server-1"),
    ("hybrid", "hybrid-home-shed-identity"),
]


@pytest.mark.parametrize(("stack", "machine"), MACHINES)
def test_every_machine_is_made_anew_when_its_generation_is_another(
    stack: str, machine: str
) -> None:
    recording = recordings.of(stack)
    node = machine.removesuffix("-identity")
    generation = recording.resources[f"{node}-generation"]
    request = recording.resources[machine].request
    assert request.replacement_trigger.string_value == generation.outputs["hex"]
    assert request.deleteBeforeReplace


def test_all_nodes_have_a_generation_and_nothing_else_has() -> None:
    for stack in ("dev", "staging", "production", "hybrid"):
        recording = recordings.of(stack)
        nodes = [node["name"] for node in recording.outputs["nodes"]]
        triggered = [
            r.name for r in recording.registrations if r.request.HasField("replacement_trigger")
        ]
        assert sorted(name.removesuffix("-identity") for name in triggered) == sorted(nodes)


def test_a_name_asks_when_it_comes_and_its_going_is_not_looked_at() -> None:
    before = recordings.of("dev")
    asked = recordings.of("dev", {"replace": ["dev-agent-1"]})
    assert _differing(before.resources, asked.resources) == {"dev-agent-1-request"}
    generation = "dev-agent-1-generation"
    assert before.resources[generation].ignores() == ["keepers"]
    assert asked.resources[generation].ignores() == []
    assert asked.resources["dev-agent-2-generation"].ignores() == ["keepers"]


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name].inputs != after[name].inputs}


def problems(**settings: object) -> list[str]:
    """What is told of these settings."""
    try:
        parse("dev", raw("dev", {"groups": SERVERS, **settings}))
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("names", [["dev-server-1"], ["dev-agent-1", "dev-agent-2"]])
def test_a_server_of_several_or_any_agents_may_be_replaced(names: list[str]) -> None:
    assert problems(replace=names) == []


def test_a_server_goes_alone_as_agents_leave_by_way_of_one() -> None:
    (told,) = problems(replace=["dev-agent-1", "dev-server-2"])
    assert told.startswith("replace: dev-agent-1, dev-server-2 — agents leave by way of a server")
    assert "name dev-server-2 alone" in told


def test_a_name_that_no_node_has_is_told_with_those_that_there_are() -> None:
    (told,) = problems(replace=["server-1"])
    assert told.startswith("replace: server-1 — there is no such node — write one of dev-server-1,")


def test_two_servers_at_once_are_refused() -> None:
    (told,) = problems(replace=["dev-server-1", "dev-server-3"])
    assert told.startswith("replace: dev-server-1, dev-server-3 — of 3 servers one at a time")


def test_the_only_server_is_refused_with_the_way_out() -> None:
    lone = {"server": {"role": "server", "count": 1}}
    (told,) = problems(groups=lone, replace=["dev-server-1"])
    assert "data would go with its machine — have 3 servers first" in told


def test_a_cluster_starts_from_the_server_that_is_chosen() -> None:
    chosen = recordings.of("production", {"bootstrapServer": "production-server-2"})
    first = recordings.of("production")
    assert "production-server-2-prepare" in chosen.resources["production-bootstrap"].dependencies
    assert "production-server-1-prepare" in first.resources["production-bootstrap"].dependencies


def test_choosing_later_changes_nothing_but_where_the_kubeconfig_is_read() -> None:
    chosen = recordings.of("production", {"bootstrapServer": "production-server-2"})
    first = recordings.of("production")
    differing = _differing(first.resources, chosen.resources)
    ignored = set(first.resources["production-bootstrap"].ignores())
    assert {"connection", "stdin", "create"} <= ignored
    assert differing == {"production-bootstrap", "production-kubeconfig"}
    for name in differing:
        assert "triggers" not in chosen.resources[name].inputs


def test_a_server_to_start_from_has_to_be_one() -> None:
    (told,) = problems(bootstrapServer="dev-agent-1")
    assert told.startswith("bootstrapServer: dev-agent-1 — it is an agent")
    (told,) = problems(bootstrapServer="dev-server-4")
    assert told == (
        "bootstrapServer: dev-server-4 — there is no such node — "
        "write one of dev-server-1, dev-server-2, dev-server-3"
    )


def test_on_this_machine_image_memory_and_keys_make_nothing_anew() -> None:
    before = recordings.of("dev")
    changed = recordings.of(
        "dev",
        {
            "local": {"image": "localhost/another", "memory": "3g"},
            "access": {"authorizedKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAB another"]},
        },
    )
    differing = _differing(before.resources, changed.resources)
    assert differing == {"dev-server-1", "dev-agent-1", "dev-agent-2", "dev-registration"}
    for name in differing:
        was, now = before.resources[name], changed.resources[name]
        assert {k for k in was.inputs if was.inputs[k] != now.inputs[k]} == {"environment"}
        assert now.ignores() == ["environment"]
