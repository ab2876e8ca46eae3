"""Which version may follow on which: the node's own answer, with given versions."""

import subprocess

import pytest

from tests.unit.stackfiles import ROOT

VERSION = ROOT / "components" / "k3s" / "scripts" / "version.sh"


def run(words: str) -> str:
    problem = 'problem() { printf "%s" "$1"; }\n'
    text = f"set -eu\n{VERSION.read_text()}{problem}{words}\n"
    return subprocess.run(
        ["sh", "-s"], input=text, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("running", "wanted", "step"),
    [
        ("v1.35.6+k3s1", "v1.35.6+k3s1", "fine"),
        ("v1.35.6+k3s1", "v1.35.6+k3s2", "fine"),
        ("v1.35.6+k3s2", "v1.35.6+k3s1", "fine"),
        ("v1.35.9+k3s1", "v1.35.10+k3s1", "fine"),
        ("v1.35.10+k3s1", "v1.36.0+k3s1", "fine"),
        ("v1.35.0-rc1+k3s1", "v1.35.0+k3s1", "fine"),
        ("v1.35.10+k3s1", "v1.35.9+k3s1", "back"),
        ("v1.36.0+k3s1", "v1.35.9+k3s1", "back"),
        ("v2.0.0+k3s1", "v1.35.9+k3s1", "back"),
        ("v1.35.6+k3s1", "v1.37.0+k3s1", "v1.36"),
        ("v1.9.6+k3s1", "v1.11.0+k3s1", "v1.10"),
        ("a-build-of-my-own", "v1.35.6+k3s1", "fine"),
    ],
)
def test_a_version_follows_its_own_minor_or_the_one_before(
    running: str, wanted: str, step: str
) -> None:
    assert run(f"step_to '{running}' '{wanted}'") == f"{step}\n"


def test_a_refusal_says_what_runs_and_what_to_write() -> None:
    back = run("check_version v1.36.0+k3s1 v1.35.9+k3s1")
    assert back.startswith("k3s v1.36.0+k3s1 runs here — k3s does not go back to v1.35.9+k3s1")
    assert back.endswith("write v1.36.0+k3s1 or newer, or make a new cluster")
    assert run("check_version v1.35.6+k3s1 v1.37.0+k3s1") == (
        "k3s v1.35.6+k3s1 runs here — v1.37.0+k3s1 skips a minor version — "
        "go to the newest v1.36 first"
    )


@pytest.mark.parametrize("running", ["", "v1.35.6+k3s1"])
def test_what_may_follow_is_no_problem(running: str) -> None:
    assert run(f"check_version '{running}' v1.36.0+k3s1") == ""
