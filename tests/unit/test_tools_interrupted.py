"""What a killed run of the CLI left is put right, and nothing of one that runs is touched."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubernetes import until
from tools import interrupted
from tools.interrupted import Release
from tools.paths import State

STACK = "dev"
RELEASE = "kubernetes:helm.sh/v3:Release"
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program of a name for ten minutes; with `by`, as the child of one of that name."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(name: str, env: Mapping[str, str], by: str = "") -> "subprocess.Popen[bytes]":
        program = [str(copied("sleep", name)), "600"]
        if by:
            program = [str(copied("sh", by)), "-c", f"{' '.join(program)} & echo; wait"]
        started.append(subprocess.Popen(program, env=env, stdout=subprocess.PIPE))
        out = started[-1].stdout
        if by and out:
            out.readline()
        # The kernel tells that a program has begun a moment before it gives the process its name.
        own = Path(f"/proc/{started[-1].pid}/comm")
        until(60, "the process has its name", lambda: own.read_text().strip() == (by or name)[:15])
        return started[-1]

    def copied(program: str, name: str) -> Path:
        copy = tmp_path / name
        if not copy.exists():
            shutil.copy(shutil.which(program) or program, copy)
        return copy

    yield begin
    for process in started:
        subprocess.run(["pkill", "--parent", str(process.pid)], check=False)
        process.kill()
        process.communicate()


def lock(state: State, name: str, **holder: object) -> Path:
    folder = state.backend / ".pulumi/locks/organization/k3s" / STACK
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    ours = {"pid": os.getpid(), "username": "u", "hostname": socket.gethostname()}
    file.write_text(json.dumps({**ours, **holder}))
    return file


def checkpoint(state: State, *operations: Mapping[str, Any], known: tuple[str, ...] = ()) -> None:
    latest = {
        "resources": [{"urn": urn, "type": RELEASE} for urn in known],
        "pending_operations": list(operations),
    }
    file = state.checkpoint(STACK)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"version": 3, "checkpoint": {"latest": latest}}))


def begun(type_: str, name: str, of: str = RELEASE) -> dict[str, Any]:
    inputs = {"name": name, "namespace": f"{name}-system"}
    return {"type": type_, "resource": {"urn": f"urn:{name}", "type": of, "inputs": inputs}}


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for Podman: notes what it is told, and runs one server and one agent."""
    folder = tmp_path / "bin"
    folder.mkdir()
    said = tmp_path / "said"
    said.touch()
    program = folder / "podman"
    program.write_text(
        f"""#!/bin/sh
echo "$*" >>{said}
case $* in
ps*) echo k3s-dev-agent-1 k3s-dev-server-1 ;;
"exec k3s-dev-agent-1"*) exit 1 ;;
*kubectl*) [ ! -e {tmp_path}/down ] && echo secret/x || {{ echo refused >&2; exit 1; }} ;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return said


def test_the_lock_of_a_run_that_is_no_more_is_dead_and_no_other(state: State, start: Start) -> None:
    living = start("pulumi", {})
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock(state, "living", pid=living.pid)
    dead = [lock(state, "ended", pid=ended.pid), lock(state, "another-program")]
    lock(state, "elsewhere", pid=ended.pid, hostname="elsewhere.example")
    lock(state, "lab", pid=ended.pid, lab={"started": "1"})
    assert list(interrupted.dead_locks(STACK, state)) == sorted(dead)


def test_plugins_whose_engine_is_no_more_are_known_by_the_backend(
    state: State, start: Start
) -> None:
    ours = {"PULUMI_BACKEND_URL": state.backend.as_uri()}
    orphan = start("pulumi-resource-kubernetes", ours)
    start("pulumi-resource-kubernetes", {"PULUMI_BACKEND_URL": "file:///elsewhere"})
    start("pulumi-resource-kubernetes", ours, by="pulumi")  # of an engine that runs
    start("sleep", ours)
    assert interrupted.orphans(state) == [orphan.pid]


def test_releases_that_were_cut_off_are_those_the_state_has_begun(state: State) -> None:
    checkpoint(
        state,
        begun("creating", "metallb"),
        begun("creating", "since-made"),
        begun("updating", "cert-manager"),
        begun("creating", "a-namespace", of="kubernetes:core/v1:Namespace"),
        known=("urn:since-made", "urn:cert-manager"),
    )
    assert list(interrupted.cut_off(state.checkpoint(STACK))) == [
        Release("metallb-system", "metallb", known=False),
        Release("cert-manager-system", "cert-manager", known=True),
    ]


def test_of_a_release_that_the_state_knows_what_is_deployed_stays() -> None:
    unfinished = "status in (pending-install,pending-upgrade,pending-rollback)"
    assert Release("n", "r", known=True).selector == f"owner=helm,name=r,{unfinished}"
    assert Release("n", "r", known=False).selector == "owner=helm,name=r"


def test_after_a_killed_run_the_lock_the_plugins_and_helms_notes_go(
    state: State, start: Start, podman: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lock(state, "dead")
    orphan = start("pulumi-resource-kubernetes", {"PULUMI_BACKEND_URL": state.backend.as_uri()})
    checkpoint(state, begun("creating", "metallb"))
    interrupted.put_right(STACK, state, releases=True)
    assert not file.exists()
    assert orphan.wait(60) < 0
    words = "timeout 30 k3s kubectl delete secrets --namespace metallb-system"
    told = podman.read_text().splitlines()[-1]
    assert told == f"exec k3s-dev-server-1 {words} --selector owner=helm,name=metallb --output name"
    assert capsys.readouterr().err.splitlines() == [
        "stack dev: a run was killed, and its lock is taken away",
        "stack dev: release metallb was cut off, and is taken up again",
    ]


def test_a_cluster_that_does_not_answer_is_told_of_and_no_hindrance(
    state: State, podman: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (podman.parent / "down").touch()
    checkpoint(state, begun("updating", "metallb"), known=("urn:metallb",))
    interrupted.put_right(STACK, state, releases=True)
    assert "what was cut off of release metallb may be left: refused" in capsys.readouterr().err


@pytest.mark.parametrize("releases", [True, False])
def test_nothing_is_touched_while_another_run_goes_on_or_for_a_cluster_that_goes(
    state: State, start: Start, podman: Path, releases: bool
) -> None:
    file = lock(state, "living", pid=start("pulumi", {}).pid) if releases else None
    checkpoint(state, begun("creating", "metallb"))
    interrupted.put_right(STACK, state, releases=releases)
    assert podman.read_text() == ""
    assert file is None or file.exists()


def test_a_stack_that_was_never_made_has_nothing_to_put_right(state: State, podman: Path) -> None:
    interrupted.put_right(STACK, state, releases=True)
    assert podman.read_text() == ""
