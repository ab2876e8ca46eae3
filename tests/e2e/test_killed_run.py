"""A run that is killed in the middle: the next one goes on, and nothing is made twice or lost."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import host
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import until
from tests.e2e.workspace import Workspace

pytestmark = pytest.mark.nodes


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A copy for a stack of one server."""
    settings = SETTINGS | {
        "groups": {"server": {"role": "server", "count": 1}},
        "local": {"privateCidr": "10.125.0.0/16", "publicCidr": "10.126.0.0/16"},
    }
    with working_in(Workspace("k3skill", settings), request) as made:
        yield made


def engines_of(workspace: Workspace) -> list[int]:
    """Processes of the lab's engine that work on the stack."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue  # it has ended in between
        if "lab.engine" in words and workspace.stack in words:
            found.append(int(entry.name))
    return found


def test_an_up_that_is_killed_while_the_cluster_is_born_goes_on(
    alone: Workspace, tmp_path: Path
) -> None:
    before = host.facts()
    log = tmp_path / "up.log"
    up = alone.start("up", log, ENGINE="lab")
    until(120, "the bootstrap has begun", lambda: "bootstrap: starts k3s" in log.read_text())
    (engine,) = engines_of(alone)
    os.kill(engine, signal.SIGKILL)
    assert up.wait(600) != 0

    again = alone.make("up", ENGINE="lab")
    assert again.code == 0, again.text
    assert "k3skill-bootstrap, interrupted while creating" in again.text
    told = re.search(r"^up done: (\d+) unchanged, (\d+) created; ", again.text, re.MULTILINE)
    assert told, again.text
    # The machine stands as it was: what is created now is what had not been done.
    assert re.search(r"^ *create .*k3skill-server-1-prepare", again.text, re.MULTILINE) is None
    assert re.search(r"^k3skill-server-1 +Ready +control-plane", again.stdout, re.MULTILINE)

    gone = alone.make("destroy", ENGINE="lab")
    assert gone.code == 0, gone.text
    assert host.left(before, alone.stack, "10.125.", "10.126.") == []
