"""One stack driven by the lab engine and the official CLI in turn."""

import json
from pathlib import Path

import pytest
import yaml

from tests.engine.workspace import HERE, Workspace

pytestmark = pytest.mark.pulumi
PROGRAMS = {
    "commands": "second",
    "files": "second",
    "options": "free",
    "providers": "debug",
    "replacing": "updated",
    "configured": "",
}
TURNS = [("lab", "pulumi"), ("pulumi", "lab")]


@pytest.mark.parametrize(("first", "second"), TURNS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_one_made_the_other_finds_unchanged(
    tmp_path: Path, name: str, first: str, second: str
) -> None:
    workspace = Workspace(tmp_path, HERE / "scenarios" / f"{name}.py")
    steps = yaml.safe_load((HERE / "scenarios" / f"{name}.yaml").read_text())
    workspace.configure(steps[0].get("config", {}))
    variant = {"VARIANT": PROGRAMS[name]}

    up = workspace.drive(first, "up", **variant)
    assert up.code == 0, up.said
    before = workspace.state()
    for command in ("preview", "up", "refresh", "preview"):
        done = workspace.drive(second, command, **variant)
        assert done.code == 0, done.said
        assert done.operations == {}, f"{second} {command}: {done.said}"
    assert workspace.state() == before
    back = workspace.drive(first, "preview", **variant)
    assert back.operations == {}, back.said
    destroyed = workspace.drive(second, "destroy", **variant)
    assert destroyed.code == 0, destroyed.said
    assert workspace.state() == {}


@pytest.mark.parametrize(("first", "second"), TURNS)
def test_each_reads_the_others_secret_outputs(tmp_path: Path, first: str, second: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.write_program(
        "import pulumi\n"
        'hidden = pulumi.Output.secret({"a": ["hush-hush", 1, None]})\n'
        'pulumi.export("hidden", hidden)\n'
        'pulumi.export("within", {"x": [hidden, 1.5, "é"]})\n'
    )
    assert workspace.drive(first, "up").code == 0
    assert workspace.drive(second, "up").operations == {}
    for flags in ([], ["--show-secrets"]):
        shown = workspace.lab("outputs", "--json", *flags).said
        assert ("hush-hush" in shown) is bool(flags)
        assert workspace.pulumi_outputs(*flags) == json.loads(shown)
