"""Record what an engine does in the scenarios: ``python -m tests.engine.record ENGINE [NAME...]``.

Prints each scenario's table with what was seen filled in; ENGINE is pulumi or lab.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.engine.test_scenarios import SCENARIOS, take
from tests.engine.workspace import HERE, Workspace

GIVEN = ("do", "variant", "flags", "config", "drift", "says")


def record(engine: str, name: str) -> None:
    """Fill in scenarios/NAME.yaml."""
    file = HERE / "scenarios" / f"{name}.yaml"
    steps = yaml.safe_load(file.read_text())
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), file.with_suffix(".py"))
        filled: list[dict[str, Any]] = []
        state: dict[str, str] = {}
        for step in steps:
            seen = take(workspace, engine, step)
            kept = {key: step[key] for key in GIVEN if key in step}
            if step.get("says", "") not in seen["said"] or seen["ok"] == ("says" in step):
                print(f"{name}: {kept}: not as expected:\n{seen['said']}", file=sys.stderr)
            kept["ok"] = seen["ok"]
            kept |= {key: seen[key] for key in ("operations", "outputs", "orphans") if seen[key]}
            if seen["state"] != state:
                state = kept["state"] = seen["state"]
            filled.append(kept)
    file.write_text(yaml.safe_dump(filled, sort_keys=False, width=100, allow_unicode=True))


if __name__ == "__main__":
    for chosen in sys.argv[2:] or SCENARIOS:
        record(sys.argv[1], chosen)
