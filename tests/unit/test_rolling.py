"""How changes go through the nodes, as the program registers it."""

import itertools
import shlex
from typing import Any

import pytest

from components.k3s.upgrade import UpgradeSettings, problems
from tests.unit.program import CHANGES, run_dev
from tests.unit.recorder import Recording

SERVERS = [f"dev-server-{number}" for number in (1, 2, 3)]
AGENTS = [f"dev-agent-{number}" for number in (1, 2, 3)]
K3S = {"version": "v1.35.6+k3s1"}


def groups(**agent: Any) -> dict[str, Any]:
    return {
        "server": {"role": "server", "count": 3},
        "agent": {"role": "agent", "count": 3, **agent},
    }


@pytest.fixture(scope="module")
def cluster() -> Recording:
    return run_dev({"groups": groups()})


def waits_for(recording: Recording, name: str) -> set[str]:
    """Everything that is there before the step runs."""
    found, further = set(), {name}
    while further:
        known = [recording.resources[n].dependencies for n in further if n in recording.resources]
        further = set().union(*known) - found
        found |= further
    return found


def changed(before: Recording, after: Recording) -> set[str]:
    """What another `up` would run or make anew."""
    assert set(before.resources) == set(after.resources)
    pairs = [(after.resources[name], old) for name, old in before.resources.items()]
    # The bootstrap is born once, whatever is wanted later.
    new = {now.name for now, old in pairs if now.inputs != old.inputs and not now.ignores()}
    numbers = {f"{name}-hex" for name in new if name.endswith("-wanted")}
    told = {now.name for now, _ in pairs if any(n in str(now.inputs.get("stdin")) for n in numbers)}
    return new | told


def test_nothing_of_a_change_runs_when_a_node_is_made(cluster: Recording) -> None:
    for node in (*SERVERS, *AGENTS):
        for step in CHANGES:
            command = cluster.resources[f"{node}-{step}"]
            assert "create" not in command.inputs
            assert "delete" not in command.inputs
            assert command.inputs["update"].endswith(f"-- update {step}:{node}")


def test_a_nodes_change_is_on_record_before_it_joins(cluster: Recording) -> None:
    for node in (*SERVERS, *AGENTS):
        assert f"{node}-uncordon" in waits_for(cluster, f"{node}-install")


def test_a_node_is_prepared_then_drained_then_changed_then_opened_again(
    cluster: Recording,
) -> None:
    for node in (*SERVERS, *AGENTS):
        steps = ("prepare", *CHANGES)
        for first, second in itertools.pairwise(steps):
            assert f"{node}-{first}" in cluster.resources[f"{node}-{second}"].dependencies


def test_servers_are_changed_one_after_another_and_all_before_the_agents(
    cluster: Recording,
) -> None:
    for first, second in zip(SERVERS, [*SERVERS[1:], AGENTS[0]], strict=True):
        assert f"{first}-uncordon" in cluster.resources[f"{second}-wanted"].dependencies
        assert f"{first}-uncordon" in waits_for(cluster, f"{second}-drain")


def test_agents_join_without_waiting_for_each_other(cluster: Recording) -> None:
    for one in AGENTS:
        for other in AGENTS:
            assert f"{other}-install" not in waits_for(cluster, f"{one}-install") - {
                f"{one}-install"
            }


@pytest.mark.parametrize(
    ("batch", "before"),
    [
        (1, {1: [], 2: [1], 3: [1, 2]}),
        (2, {1: [], 2: [], 3: [1, 2]}),
    ],
)
def test_agents_are_changed_in_batches(batch: int, before: dict[int, list[int]]) -> None:
    recording = run_dev({"groups": groups(), "upgrade": {"batch": batch}})
    for number, others in before.items():
        found = waits_for(recording, f"dev-agent-{number}-drain")
        done = [n for n in (1, 2, 3) if f"dev-agent-{n}-uncordon" in found]
        assert done == others


def test_every_server_is_mended_before_the_first_is_changed(cluster: Recording) -> None:
    mends = {f"{server}-mend" for server in SERVERS}
    assert mends <= cluster.resources[f"{SERVERS[0]}-drain"].dependencies
    for mend in mends:
        assert not [n for n in waits_for(cluster, mend) if n.endswith(("-uncordon", "-install"))]


def test_a_server_speaks_for_itself_and_the_first_one_for_the_agents(cluster: Recording) -> None:
    def host(name: str) -> str:
        found: str = cluster.resources[name].inputs["connection"]["host"]
        return found

    for step in ("drain", "uncordon"):
        for server in SERVERS:
            assert host(f"{server}-{step}") == host(f"{server}-install")
        for agent in AGENTS:
            assert host(f"{agent}-{step}") == host(f"{SERVERS[0]}-install")
            assert host(f"{agent}-change") == host(f"{agent}-install")


def test_a_label_or_taint_is_written_down_and_registered_and_nothing_is_drained(
    cluster: Recording,
) -> None:
    labels = {"labels": {"disk": "fast"}, "taints": ["dedicated=db:NoSchedule"]}
    after = run_dev({"groups": groups(**labels)})
    assert changed(cluster, after) == {
        f"{agent}-{step}" for agent in AGENTS for step in ("install", "registration")
    }
    assert "- update install" in after.resources["dev-agent-1-install"].inputs["update"]


def test_a_version_reaches_every_node_and_an_option_those_that_have_it(
    cluster: Recording,
) -> None:
    version = run_dev({"groups": groups(), "k3s": {"version": "v1.35.7+k3s1"}})
    new = changed(cluster, version)
    for node in (*SERVERS, *AGENTS):
        assert {f"{node}-{step}" for step in ("prepare", "wanted", *CHANGES)} <= new
        assert "WANTED=v1.35.7+k3s1" in version.resources[f"{node}-drain"].inputs["stdin"]
    option = run_dev({"groups": groups(), "k3s": {**K3S, "tlsSan": ["api.example"]}})
    steps = ("wanted", "mend", *CHANGES, "install")
    assert changed(cluster, option) == {f"{server}-{x}" for server in SERVERS for x in steps}


def test_the_number_of_a_change_is_new_whenever_what_is_wanted_is(cluster: Recording) -> None:
    """So what has run for settings that failed runs again for the old ones."""
    for node in (*SERVERS, *AGENTS):
        keepers = cluster.resources[f"{node}-wanted"].inputs["keepers"]
        assert keepers["version"] == K3S["version"]
        assert shlex.quote(keepers["config"]) in cluster.resources[f"{node}-change"].inputs["stdin"]
        for step in CHANGES:
            text = cluster.resources[f"{node}-{step}"].inputs["stdin"]
            assert f"CHANGE={node}-wanted-hex" in text


def test_the_settings_of_a_drain_reach_it(cluster: Recording) -> None:
    text = cluster.resources["dev-agent-1-drain"].inputs["stdin"]
    assert "DRAIN=yes\nDRAIN_SECONDS=300\nDELETE_BARE_PODS=''\n" in text
    upgrade = {"drain": False, "drainSeconds": 60, "deleteBarePods": True}
    other = run_dev({"groups": groups(), "upgrade": upgrade})
    text = other.resources["dev-agent-1-drain"].inputs["stdin"]
    assert "DRAIN=''\nDRAIN_SECONDS=60\nDELETE_BARE_PODS=yes\n" in text


@pytest.mark.parametrize(("batch", "agents"), [(3, 3), (9, 2)])
def test_not_all_agents_are_changed_at_once(batch: int, agents: int) -> None:
    (found,) = problems(UpgradeSettings(batch=batch), agents)
    assert str(found) == (
        f"upgrade.batch: {batch} — all {agents} agents would be away at once — "
        f"write at most {agents - 1}"
    )


@pytest.mark.parametrize(("batch", "agents"), [(1, 1), (1, 0), (2, 3), (2, 1)])
def test_a_batch_that_leaves_agents_is_fine(batch: int, agents: int) -> None:
    assert list(problems(UpgradeSettings(batch=batch), agents)) == []
