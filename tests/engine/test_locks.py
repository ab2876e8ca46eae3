"""One run a stack, for both engines."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_interruptions import waiting_up
from tests.engine.workspace import PROJECT, STACK, Workspace

PROGRAM = 'from things import *\nThing("a", key="k")\n'


def write_lock(workspace: Workspace, **content: Any) -> Path:
    folder = workspace.backend / ".pulumi" / "locks" / "organization" / PROJECT / STACK
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "some-lock.json"
    default = {"username": "someone", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00Z"}
    file.write_text(json.dumps({"pid": 4711, **default, **content}))
    return file


def test_a_lock_of_the_cli_is_respected_and_its_holder_named(workspace: Workspace) -> None:
    workspace.write_program(PROGRAM)
    lock = write_lock(workspace)
    done = workspace.lab("up")
    assert done.code == 1
    assert "pulumi CLI, someone@elsewhere, pid 4711" in done.said
    assert str(lock) in done.said
    assert lock.exists()
    lock.unlink()
    assert workspace.lab("up").code == 0


def test_a_live_engine_keeps_others_out_and_is_named(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        other = workspace.lab("up")
    assert other.code == 1
    assert f"lab engine, {os.environ.get('USER', 'root')}@" in other.said
    assert f"pid {run.pid}" in other.said


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_only_a_dead_engine_of_this_host_loses_its_lock(workspace: Workspace, host: str) -> None:
    workspace.write_program(PROGRAM)
    with waiting_up(workspace) as run:
        (lock,) = (workspace.backend / ".pulumi" / "locks").rglob("*.json")
        run.kill()
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "hostname": host}))
    done = workspace.lab("preview", GATE="/nowhere")
    assert (done.code == 0) is (host == socket.gethostname()), done.said
    assert lock.exists() is (host == "elsewhere")


def test_no_lock_is_left_behind(workspace: Workspace) -> None:
    workspace.write_program("raise ValueError('boom')")
    assert workspace.lab("up").code == 1
    assert not list((workspace.backend / ".pulumi" / "locks").rglob("*.json"))


@pytest.mark.pulumi
def test_the_cli_respects_the_engines_lock(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        other = workspace.pulumi("up", GATE="/nowhere")
        assert other.code != 0
        assert f"(pid {run.pid})" in other.said
        cancelled = subprocess.run(
            ["pulumi", "cancel", "--yes", "--stack", STACK],
            cwd=workspace.folder,
            env={**os.environ, **workspace.environment},
            check=False,
        )
        assert cancelled.returncode == 0
        assert not list((workspace.backend / ".pulumi" / "locks").rglob("*.json"))
