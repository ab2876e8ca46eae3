"""Whole stacks through sequences of commands: which operations each causes, and what is left.

The table is scenarios/<name>.yaml; both engines have to agree with it. It was recorded with
`python -m tests.engine.record` under the official CLI and read through.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.engine.snapshot import verify
from tests.engine.workspace import HERE, Workspace, pulumi_version

SCENARIOS = sorted(path.stem for path in (HERE / "scenarios").glob("*.yaml"))
NEWER = {"deleted_with": (3, 260), "left_out": (3, 260)}
"""Scenarios that the official CLI plays so from that version on."""
ENGINES = ["lab", pytest.param("pulumi", marks=pytest.mark.pulumi)]


@pytest.fixture(autouse=True)
def _each_step_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's engine writes and verifies a checkpoint after each of its steps, whatever it takes:
    otherwise it depends on the time they take which states are ever seen.
    """
    monkeypatch.setattr("lab.engine.state._LEAST_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("lab.engine.state._SHARE_OF_TIME", 0.0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_goes_as_the_table_says(name: str, engine: str, tmp_path: Path) -> None:
    if engine == "pulumi" and (needed := NEWER.get(name)) and pulumi_version() < needed:
        pytest.skip(f"the pulumi CLI on the PATH is older than {needed}: it does otherwise")
    workspace = Workspace(tmp_path, HERE / "scenarios" / f"{name}.py")
    steps = yaml.safe_load((HERE / "scenarios" / f"{name}.yaml").read_text())
    state: dict[str, str] = {}
    for number, step in enumerate(steps, start=1):
        state = step.setdefault("state", state)  # where the table says nothing, nothing changed
        seen = take(workspace, engine, step)
        for what in ("ok", "operations", "state", "outputs", "orphans"):
            expected = step.get(what, [] if what == "orphans" else {})
            assert seen[what] == expected, f"{what} of step {number}: {step['do']}\n{seen['said']}"
        assert step.get("says", "") in seen["said"]
        verify(workspace.resources())
        assert not workspace.deployment().get("pending_operations")
        for secret in ("token-of-", "-of-mine", "a-nested-password", "a-provider-password"):
            assert secret not in json.dumps(workspace.deployment())
            assert secret not in seen["said"]


def take(workspace: Workspace, engine: str, step: dict[str, Any]) -> dict[str, Any]:
    """Carry out one step of the table; gives what it may be compared with.

    Orphans are things that exist though they are not in the state any more.
    """
    workspace.configure(step.get("config", {}))
    workspace.drift(step.get("drift", {}))
    flags = step.get("flags", [])
    done = workspace.drive(engine, step["do"], *flags, VARIANT=step.get("variant", ""))
    outputs = {k: v for k, v in workspace.outputs().items() if "4dabf1" not in str(v)}
    state = workspace.state()
    return {
        "ok": done.code == 0,
        "operations": {k: " ".join(v) for k, v in done.operations.items()},
        "state": state,
        "orphans": sorted(workspace.stored() - set(state.values())),
        "outputs": outputs,
        "said": done.said,
    }
