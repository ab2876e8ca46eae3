"""What becomes of a script that its run has left behind, and that the next run's waits for it."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from components.scripts import compose
from tests.unit.stackfiles import ROOT

SCRIPTS = ROOT / "components" / "k3s" / "scripts"
# Of patience; what is not to end by itself goes on for twice as long.
SECONDS = 300


@pytest.fixture
def sshd(tmp_path: Path) -> list[str]:
    """A shell that has the name of sshd, as a session's process has it."""
    shell = tmp_path / "sshd-session"
    shutil.copy(shutil.which("sh") or "/bin/sh", shell)
    return [str(shell), "-c", 'sh -s -- "$@"; exit $?', "sshd-session"]


def text(folder: Path, main: str, seconds: int = SECONDS, node: str = "node-1") -> str:
    """A step's text, its locks in a folder of the test's own."""
    parts = [SCRIPTS / "lib.sh", SCRIPTS / "turn.sh"]
    variables = {"NODE": node, "STEP": "install", "TURN_SECONDS": str(seconds)}
    composed = compose(parts, variables).replace("TURNS=/run/k3s-pulumi", f"TURNS={folder}/turns")
    return f"{composed}\nmain() {{ {main}; }}\nmain </dev/null\n"


def begun(sshd: list[str], script: str) -> "subprocess.Popen[str]":
    """The script in a session, which has said `begun`."""
    session = subprocess.Popen(
        [*sshd, "create"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert session.stdin
    assert session.stdout
    session.stdin.write(script)
    session.stdin.close()
    assert session.stdout.readline() == "begun\n"
    return session


def run(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-s", "--", "create"],
        input=script,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_script_whose_session_is_gone_gives_up_at_its_next_wait(
    sshd: list[str], tmp_path: Path
) -> None:
    waits = f"echo begun; wait_for 600 test -e {tmp_path}/comes; touch {tmp_path}/went-on"
    session = begun(sshd, text(tmp_path, waits))
    session.kill()
    session.wait()
    began = monotonic()
    done = run(text(tmp_path, "echo its turn"))
    assert done.stdout == "its turn\n"
    assert monotonic() - began < SECONDS
    assert not (tmp_path / "went-on").exists()


def test_what_a_script_has_begun_is_ended_before_the_next_ones_turn(
    sshd: list[str], tmp_path: Path
) -> None:
    goes_on = f"until [ -e {tmp_path}/seen ]; do sleep 0.1; done"
    session = begun(sshd, text(tmp_path, f"echo begun; {goes_on}; echo whole >{tmp_path}/file"))
    session.kill()
    session.wait()
    following = subprocess.Popen(
        ["sh", "-s", "--", "create"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdin
    assert following.stderr
    following.stdin.write(text(tmp_path, f"cat {tmp_path}/file"))
    following.stdin.close()
    waits = following.stderr.readline()
    (tmp_path / "seen").touch()
    following.stdin = None
    said, _ = following.communicate(timeout=SECONDS)
    assert waits == "node-1: install: waits for the end of what an earlier run began here\n"
    assert said == "whole\n"


def test_another_node_s_step_on_the_same_machine_waits_for_nobody(
    sshd: list[str], tmp_path: Path
) -> None:
    session = begun(sshd, text(tmp_path, "echo begun; sleep 600"))
    done = run(text(tmp_path, "echo at once", node="node-2"))
    assert done.stdout == "at once\n"
    assert done.stderr == ""
    end(session)


def test_who_takes_the_machine_waits_for_every_step_on_it(sshd: list[str], tmp_path: Path) -> None:
    session = begun(sshd, text(tmp_path, "echo begun; sleep 600"))
    done = run(text(tmp_path, "take_turn_alone", seconds=1, node="node-2"))
    assert done.returncode == 1
    assert "what an earlier run began here has not ended after 1 s" in done.stderr
    end(session)


def end(session: "subprocess.Popen[str]") -> None:
    """The session and what it has started."""
    os.killpg(session.pid, signal.SIGKILL)
    session.wait()
