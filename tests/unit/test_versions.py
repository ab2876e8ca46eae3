"""Which release of k3s may follow which, and that it is told before anything is registered."""

import itertools

import pulumi
import pytest

from components.k3s import versions
from tests.unit.program import run_dev
from tests.unit.test_version_script import run

# Each older than the next, and one step from it.
IN_ORDER = ["v1.34.9+k3s1", "v1.35.0+k3s1", "v1.35.2+k3s1", "v1.35.10+k3s1", "v1.36.0+k3s1"]
SAME = ["v1.35.0-rc1+k3s1", "v1.35.0-rc10+k3s1", "v1.35.0+k3s1", "v1.35.0+k3s2", "v1.35.0+lab"]


@pytest.mark.parametrize(("older", "newer"), [*itertools.pairwise(IN_ORDER)])
def test_a_later_release_may_follow_and_an_older_one_may_not(older: str, newer: str) -> None:
    assert list(versions.problems(older, newer)) == []
    (problem,) = versions.problems(newer, older)
    assert problem.key == "k3s.version"
    assert problem.given == older
    assert newer in problem.write


@pytest.mark.parametrize(("one", "other"), [*itertools.product(SAME, SAME)])
def test_builds_of_one_release_follow_each_other_either_way(one: str, other: str) -> None:
    assert list(versions.problems(one, other)) == []


@pytest.mark.parametrize(
    ("last", "wanted"),
    [*itertools.product([*IN_ORDER, *SAME, "v1.33.9+k3s1", "v2.0.0+k3s1"], repeat=2)],
)
def test_the_node_holds_to_the_same_rule(last: str, wanted: str) -> None:
    refused = [problem.why for problem in versions.problems(last, wanted)]
    told = run(f"step_to '{last}' '{wanted}'").strip()
    assert (told == "back") == any("does not go back" in why for why in refused)
    assert (told not in ("back", "fine")) == any("skipped" in why for why in refused)


@pytest.mark.parametrize("wanted", ["v1.37.0+k3s1", "v2.0.0+k3s1", "v1.40.3+k3s1"])
def test_no_minor_release_is_skipped(wanted: str) -> None:
    (problem,) = versions.problems("v1.35.6+k3s1", wanted)
    assert "v1.36" in problem.write
    assert "skipped" in problem.why


def test_what_is_no_version_is_not_compared_in_silence() -> None:
    with pytest.raises(ValueError, match="latest"):
        list(versions.problems("latest", "v1.35.6+k3s1"))


@pytest.mark.parametrize("last", ["v1.35.7+k3s1", "v1.33.1+k3s1"])
def test_the_program_refuses_it_with_one_message_before_it_registers_anything(last: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_dev(last={"k3sVersion": last})
    told = str(refused.value).splitlines()
    assert told[0] == "stack dev: 1 setting cannot work:"
    assert len(told) == 2
    assert told[1].startswith(f"  k3s.version: v1.35.6+k3s1 — the cluster runs {last}, ")
    pulumi.runtime.settings.SETTINGS.rpc_manager.clear()


def test_a_patch_release_more_is_none_of_its_business() -> None:
    recording = run_dev(last={"k3sVersion": "v1.35.5+k3s1"})
    assert recording.outputs["k3sVersion"] == "v1.35.6+k3s1"
