"""The stack files of the page about ThreeFold Grid and Fly, as they stand there."""

import json
import re
import runpy
import textwrap
from typing import Any

import pytest
import yaml

from stacks.settings import parse
from tests.unit.recorder import OPERATOR_KEY, Recording, record
from tests.unit.stackfiles import ROOT

PAGE = (ROOT / "docs" / "existing-elsewhere.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"<!-- stack: (\w+) -->\n\n((?:    .*\n|\n)+)")
STACKS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load(textwrap.dedent(text))["config"] for name, text in _BLOCK.findall(PAGE)
}


def config(stack: str) -> dict[str, str]:
    """As Pulumi hands it over."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in STACKS[stack].items()
    }


def preview(stack: str) -> Recording:
    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    return record(program, {OPERATOR_KEY: "PRIVATE given", **config(stack)}, stack=stack)


def test_the_page_has_both() -> None:
    assert set(STACKS) == {"threefold", "fly"}


@pytest.mark.parametrize("stack", STACKS)
def test_the_settings_are_taken_and_make_a_cluster_of_ipv4_reached_over_ipv6(stack: str) -> None:
    hosts = STACKS[stack]["k3s:existing"]["hosts"]
    recording = preview(stack)
    for group, settings in STACKS[stack]["k3s:groups"].items():
        for name in settings["nodes"]:
            install = recording.resources[f"{stack}-{group}-{name}-install"].inputs
            assert install["connection"]["host"] == hosts[name]["address"]
            assert ":" in hosts[name]["address"]
            assert f"node-ip: {hosts[name]['privateAddress']}" in install["stdin"]
            assert "node-external-ip" not in install["stdin"]


def test_the_second_fly_machine_is_reached_through_the_first() -> None:
    through = preview("fly").resources["fly-agent-cdg-install"].inputs["connection"]["proxy"]
    assert through["host"] == STACKS["fly"]["k3s:existing"]["hosts"]["ams"]["address"]


@pytest.mark.parametrize("stack", STACKS)
def test_without_the_private_network_of_ipv4_the_page_would_be_refused(stack: str) -> None:
    raw = {key.removeprefix("k3s:"): text for key, text in config(stack).items()}
    existing = json.loads(raw["existing"])
    for host in existing["hosts"].values():
        del host["privateAddress"]
    with pytest.raises(Exception, match="pods have IPv4 addresses"):
        parse(stack, {**raw, "existing": json.dumps(existing)})
