"""What is told of k3s's journal: the cause, once, and no token."""

import subprocess

import pytest

from tests.unit.stackfiles import ROOT

_SCRIPTS = ROOT / "components" / "k3s" / "scripts"
PARTS = "".join((_SCRIPTS / f"{name}.sh").read_text() for name in ("lib", "service"))
ENDED = "k3s.service: Main process exited, code=exited, status=1/FAILURE"
STARTS = [
    f"starts part {letter}" for letter in "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
]


def told(lines: list[str], *, restarts: int) -> list[str]:
    journal = "\n".join(lines)
    script = (
        f"ROLE=server\n{PARTS}\n"
        f"journalctl() {{ cat <<'END'\n{journal}\nEND\n}}\n"
        f"systemctl() {{ echo {restarts}; }}\n"
        "journal_tail\n"
    )
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_of_one_that_starts_again_and_again_its_last_end_is_told_not_its_next_start() -> None:
    said = ["kubelet ended: no such flag", ENDED]
    assert told([*STARTS, *said, *STARTS, *said, *STARTS], restarts=2) == [*STARTS[-23:], *said]


def test_of_one_that_runs_its_last_words_are_told() -> None:
    assert told([ENDED, *STARTS], restarts=0) == STARTS[-25:]


def test_without_an_end_in_the_journal_all_of_it_counts() -> None:
    assert told(STARTS, restarts=3) == STARTS[-25:]


@pytest.mark.parametrize("restarts", [0, 1])
def test_what_is_said_again_is_said_once_and_a_token_is_not(restarts: int) -> None:
    full = f"K10{'a' * 64}::server:secret"
    lines = [
        "tried 1 times",
        "tried 22 times",
        "I1 logging.go:1] [core] dials",
        f"token {full} refused",
    ]
    assert told(lines, restarts=restarts) == ["tried 1 times", f"token K10{'a' * 64}::… refused"]
