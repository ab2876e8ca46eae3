"""A run that is killed, or cancelled by Ctrl-C: what is kept, and how it goes on."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lab.engine import journal
from lab.engine.backend import open_stack
from lab.engine.errors import EngineError
from tests.engine.workspace import PROJECT, STACK, Workspace

SECONDS = 300

WAITING = """
import os
from things import *

first = Thing("first", value="1", key="k")
gate = Thing("gate", key="k", value=first.id, wait=os.environ["GATE"])
after = Thing("after", key="k", value=gate.id)
beside = [Thing(f"beside-{n}", key="k", value=first.id) for n in range(3)]
pulumi.export("after", after.id)
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {SECONDS} s"
        time.sleep(0.01)


@contextmanager
def waiting_up(workspace: Workspace) -> Iterator["subprocess.Popen[str]"]:
    """An `up` in which all is made but `gate`, which is being made, and what depends on it."""
    workspace.write_program(WAITING)
    run = workspace.start_lab("up", GATE=str(workspace.db / "open"))
    beside = {f"beside-{n}" for n in range(3)}
    try:
        until(lambda: (workspace.db / "gate.begun").exists(), "the gate's creation")
        until(lambda: beside <= recorded(workspace), "the record of the others")
        yield run
    finally:
        run.kill()
        run.communicate()


def recorded(workspace: Workspace) -> set[str]:
    """Names of the resources in checkpoint and journal."""
    files = open_stack(workspace.environment["PULUMI_BACKEND_URL"], PROJECT, STACK)
    try:
        deployment, _ = journal.load(files)
    except EngineError:  # read between a checkpoint and its journal
        return set()
    return {r["urn"].split("::")[-1] for r in (deployment or {}).get("resources") or []}


def children_of(pid: int) -> list[int]:
    """All processes below ``pid``."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended in between
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # one of its threads has
                for child in map(int, (task / "children").read_text().split()):
                    found += [child, *children_of(child)]
    return found


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_killed_run_leaves_no_process_behind(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        children = children_of(run.pid)
        assert len(children) >= 2  # program and plugin
        run.kill()
        until(lambda: not any(map(runs, children)), "the end of program and plugin")


def test_a_killed_run_is_continued_and_nothing_is_lost_or_made_twice(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        run.kill()
    gate = {"GATE": str(workspace.db / "open")}

    preview = workspace.lab("preview", **gate)
    assert preview.code == 0, preview.said
    assert preview.operations == {"Thing/gate": ["create"], "Thing/after": ["create"]}
    assert "took over the lock of a lab engine that was killed" in preview.said

    (workspace.db / "open").touch()
    up = workspace.lab("up", **gate)
    assert up.code == 0, up.said
    assert up.operations == {"Thing/gate": ["create"], "Thing/after": ["create"]}
    assert "Thing::gate, interrupted while creating" in up.said
    assert workspace.state()["Thing/first"] == "first-1"
    assert workspace.state()["Thing/after"] == "after-1"


def test_an_interrupted_create_is_warned_of_until_it_is_cleared(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        run.kill()
    (workspace.db / "open").touch()
    gate = {"GATE": str(workspace.db / "open")}
    workspace.lab("up", **gate)

    assert "interrupted while creating" in workspace.lab("up", **gate).said
    pending = workspace.deployment()["pending_operations"]
    assert [p["resource"]["urn"].split("::")[-1] for p in pending] == ["gate"]

    workspace.lab("refresh", "--clear-pending-creates")
    assert "interrupted" not in workspace.lab("up", **gate).said
    assert "pending_operations" not in workspace.deployment()


def test_a_line_cut_off_in_the_journal_is_left_out(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        run.kill()
    journal = workspace.checkpoint_file.with_name("dev.json.lab-journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'[["put",99,{"urn":"cut o')

    preview = workspace.lab("preview", GATE="/nowhere")
    assert preview.operations == {"Thing/gate": ["create"], "Thing/after": ["create"]}


def test_a_journal_of_another_checkpoint_is_refused_by_name(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        run.kill()
    journal = workspace.checkpoint_file.with_name("dev.json.lab-journal")
    until(lambda: len(journal.read_text().splitlines()) > 0, "a journal")
    journal.write_text(journal.read_text() + '[["drop",0]]\n')
    document = json.loads(workspace.checkpoint_file.read_text())
    workspace.checkpoint_file.write_text(json.dumps(document, indent=1))

    up = workspace.lab("up", GATE="/nowhere")
    assert up.code == 1
    assert str(journal) in up.said
    assert "delete it" in up.said


def test_one_ctrl_c_ends_the_running_steps_and_keeps_what_was_done(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 130
    assert "cancelling" in said
    assert "go on with: up --stack dev" in said
    assert workspace.calls("Cancel")
    assert set(workspace.state()) >= {"Thing/first", "Thing/beside-0", "Thing/beside-2"}
    assert "Thing/gate" not in workspace.state()
    assert "pending_operations" not in workspace.deployment()
    assert not list(workspace.checkpoint_file.parent.glob("*journal*"))

    (workspace.db / "open").touch()
    up = workspace.lab("up", GATE=str(workspace.db / "open"))
    assert up.operations == {"Thing/gate": ["create"], "Thing/after": ["create"]}


def test_a_running_step_that_cannot_be_cancelled_is_waited_for(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        (plugin,) = [p for p in children_of(run.pid) if b"pyp.py" in cmdline(p)]
        os.kill(plugin, signal.SIGSTOP)  # it does not answer Cancel
        run.send_signal(signal.SIGINT)
        (workspace.db / "open").touch()
        os.kill(plugin, signal.SIGCONT)
        run.communicate(timeout=SECONDS)
    assert run.returncode == 130
    assert "pending_operations" not in workspace.deployment()


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_second_ctrl_c_stops_at_once_and_names_what_was_under_way(workspace: Workspace) -> None:
    with waiting_up(workspace) as run:
        children = children_of(run.pid)
        for plugin in (p for p in children if b"pyp.py" in cmdline(p)):
            os.kill(plugin, signal.SIGSTOP)
        run.send_signal(signal.SIGINT)
        assert run.stdout
        for line in run.stdout:
            if "press Ctrl-C again" in line:
                break
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=SECONDS)
        until(lambda: not any(map(runs, children)), "the end of program and plugin")
    assert run.returncode == 130
    assert "creating urn:pulumi:dev::scenario::pyp:index:Thing::gate" in said
    pending = workspace.deployment()["pending_operations"]
    assert [p["type"] for p in pending] == ["creating"]


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_run_whose_words_nobody_reads_comes_to_its_end(
    workspace: Workspace, cancelled: bool
) -> None:
    """As when whoever started it was killed."""
    with waiting_up(workspace) as run:
        assert run.stdout
        run.stdout.close()
        if cancelled:
            run.send_signal(signal.SIGTERM)
        else:
            (workspace.db / "open").touch()
        assert run.wait(SECONDS) == (130 if cancelled else 0)
        run.stdout = None
    assert bool(workspace.calls("Cancel")) is cancelled
    assert ("Thing/after" in workspace.state()) is not cancelled
    assert "Thing/first" in workspace.state()
    assert not list((workspace.backend / ".pulumi" / "locks").rglob("*.json"))


def test_a_failure_waits_for_the_steps_beside_it(workspace: Workspace) -> None:
    workspace.write_program(
        "import os\n"
        "from things import *\n"
        'Thing("slow", key="k", wait=os.environ["GATE"])\n'
        'Thing("failing", key="k", fail="create", wait=os.environ["PYP_DB"] + "/slow.begun")\n'
    )
    run = workspace.start_lab("up", GATE=str(workspace.db / "open"))
    try:
        assert run.stdout
        for line in run.stdout:
            if "create failed as asked" in line:
                break
        (workspace.db / "open").touch()
        run.communicate(timeout=SECONDS)
    finally:
        run.kill()
    assert run.returncode == 1
    assert workspace.state()["Thing/slow"] == "slow-1"
