"""A machine's clock against another's: the shell's own functions, with values that are given."""

import subprocess
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.stackfiles import ROOT

SCRIPTS = ROOT / "components" / "k3s" / "scripts"
URL = "https://10.120.0.7:6443"
DATE = "Sat, 21 Nov 2026 10:11:43 GMT"
SECONDS = 1795255903


def run(call: str) -> "subprocess.CompletedProcess[str]":
    texts = [(SCRIPTS / f"{part}.sh").read_text() for part in ("lib", "clock")]
    text = "NODE=node-2 STEP=install\n" + "".join(texts) + call
    return subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False)


def compared(off: int, date: str = DATE) -> "subprocess.CompletedProcess[str]":
    return run(f"compare_clocks {URL} '{date}' {SECONDS + off}\n")


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (-600, "10 min 0 s behind"),
        (600, "10 min 0 s ahead of"),
        (-301, "5 min 1 s behind"),
        (86400 * 365, "525600 min 0 s ahead of"),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much_and_what_to_do(off: int, words: str) -> None:
    done = compared(off)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"node-2: install: this machine's clock is {words} that of {URL}, which says {DATE} — "
        "certificates and tokens of the cluster would not be valid here — set the wrong one of the "
        "two right (timedatectl set-ntp true, or chrony), then run up again\n"
    )


@pytest.mark.parametrize("off", [0, -300, 300, 2])
def test_a_clock_that_is_right_is_not_spoken_of(off: int) -> None:
    done = compared(off)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("date", ["", "yesterday", "2026-11-21T10:11:43Z"])
def test_where_nobody_tells_the_time_there_is_nothing_to_compare(date: str) -> None:
    assert compared(600, date).returncode == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 4102444800))
def test_a_date_of_http_is_read_as_everybody_reads_it(seconds: int) -> None:
    date = format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    assert run(f"seconds_of '{date}'\n").stdout == f"{seconds}\n"
