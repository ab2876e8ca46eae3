"""What the stacks register is what was reviewed."""

import re

import pytest
import yaml

from tests.unit import recordings, snapshot
from tests.unit.recorder import Secret


@pytest.mark.parametrize("stack", snapshot.STACKS)
def test_a_stack_registers_what_its_snapshot_holds(stack: str) -> None:
    difference = "\n".join(text for _, _, text in snapshot.differences(stack))
    assert not difference, (
        f"stack {stack} is another one than was reviewed:\n{difference}\n"
        f"if that is what you want, run `.venv/bin/{snapshot.COMMAND}` and commit the change"
    )


@pytest.mark.parametrize("stack", snapshot.STACKS)
def test_a_snapshot_holds_no_secret_and_no_script(stack: str) -> None:
    text = snapshot.resources(stack)
    assert not re.search(r"PRIVATE |made-by-the-stack|#!/bin/sh|set -eu", text)
    assert yaml.safe_load(text)["outputs"]["kubeconfig (secret)"] == "secret"


@pytest.mark.parametrize("stack", snapshot.STACKS)
def test_no_secret_is_registered_in_clear(stack: str) -> None:
    for resource in recordings.of(stack).registrations:
        assert not _secrets_in_clear(resource.marked), f"{resource.type} {resource.name}"


@pytest.mark.parametrize("stack", snapshot.STACKS)
def test_what_a_resource_names_is_there(stack: str) -> None:
    recording = recordings.of(stack)
    names = {resource.name for resource in recording.registrations}
    for resource in recording.registrations:
        assert resource.dependencies <= names, resource.name
        assert resource.parent in {*names, f"k3s-{stack}"}, resource.name


def test_a_snapshot_says_what_a_reviewer_asks() -> None:
    shown = yaml.safe_load(snapshot.rendered("dev", recordings.of("dev")))
    commands = shown["command:remote:Command"]
    registration = commands["dev-agent-1-registration"]
    assert registration["parent"] == "dev"
    assert registration["deleteBeforeReplace"] is True
    assert commands["dev-agent-1-leaving"]["deletedWith"] == "dev-server-1"
    assert "dev-agent-1-install" in registration["dependencies"]
    # Each connection is written out once.
    assert registration["inputs"]["connection (secret)"] == "as dev-agent-1-drain"
    connection = commands["dev-agent-1-drain"]["inputs"]["connection (secret)"]
    assert connection["privateKey"] == "«dev-operator-key»"
    bootstrap = shown["command:remote:Command"]["dev-bootstrap"]
    assert "stdin" in bootstrap["ignoreChanges"]
    assert "cluster-init: true" in bootstrap["inputs"]["stdin (secret)"]["variables"]["CONFIG"]


def test_a_changed_setting_shows_in_the_lines_that_it_changes() -> None:
    before = snapshot.rendered("dev", recordings.of("dev")).splitlines()
    settings = {"version": "v1.35.6+k3s1", "disable": []}
    after = snapshot.rendered("dev", recordings.of("dev", {"k3s": settings})).splitlines()
    gone = [line.strip() for line in before if line not in after]
    assert set(gone) == {"- traefik", "- metrics-server"}


def _secrets_in_clear(value: object) -> list[str]:
    if isinstance(value, Secret):
        return []
    if isinstance(value, dict):
        return [found for item in value.values() for found in _secrets_in_clear(item)]
    if isinstance(value, list):
        return [found for item in value for found in _secrets_in_clear(item)]
    return re.findall(r"PRIVATE [\w-]+|[\w-]+-made-by-the-stack", str(value))
