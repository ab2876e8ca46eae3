"""What one stack reads of another's outputs, and which names it may call it by."""

from pathlib import Path

import pytest
import yaml

from tests.engine.workspace import STACK, Workspace

ENGINES = ["lab", pytest.param("pulumi", marks=pytest.mark.pulumi)]
READER = """\
import pulumi
other = pulumi.StackReference("other", stack_name={name!r})
pulumi.export("open", other.get_output("open"))
pulumi.export("hidden", other.get_output("hidden"))
"""


@pytest.fixture
def beside(tmp_path: Path) -> tuple[Workspace, Workspace]:
    """Two projects in one backend: `first`, which has a stack that is up, and `second`."""
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        made.append(Workspace(tmp_path / name))
        file = made[-1].folder / "Pulumi.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "name": name}))
    first, second = made
    second.environment["PULUMI_BACKEND_URL"] = first.environment["PULUMI_BACKEND_URL"]
    first.write_program(
        "import pulumi\n"
        'pulumi.export("open", {"a": [1, "é"]})\n'
        'pulumi.export("hidden", pulumi.Output.secret("hush-hush"))\n'
    )
    up = first.lab("up")
    assert up.code == 0, up.said
    return first, second


@pytest.mark.parametrize("engine", ENGINES)
def test_another_stack_of_the_backend_is_read_by_its_whole_name(
    beside: tuple[Workspace, Workspace], engine: str
) -> None:
    first, second = beside
    second.write_program(READER.format(name=f"organization/first/{STACK}"))
    done = second.drive(engine, "up")
    assert done.code == 0, done.said
    shown = second.lab("outputs", "--json", "--show-secrets").said
    assert '"hidden": "hush-hush"' in shown
    assert '"é"' in shown
    masked = second.lab("outputs", "--json").said
    assert "hush-hush" not in masked + done.said
    assert '"é"' in masked
    state = next((first.backend / ".pulumi" / "stacks" / "second").glob("*.json")).read_text()
    assert "hush-hush" not in state


MISTAKES = {
    "a stack that there is not": ("organization/first/away", 'unknown stack "organization/first/'),
    "another organization": ("company/first/dev", "organization"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", MISTAKES)
def test_a_name_that_leads_nowhere_is_told(
    beside: tuple[Workspace, Workspace], what: str, engine: str
) -> None:
    _, second = beside
    name, told = MISTAKES[what]
    second.write_program(READER.format(name=name))
    for command in ("preview", "up"):
        done = second.drive(engine, command)
        assert done.code != 0
        assert told in done.said
        assert engine != "lab" or "Traceback" not in done.said
