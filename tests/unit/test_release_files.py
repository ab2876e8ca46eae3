"""A release's files on a node: what is missing or another is told, and never used."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.scripts import compose
from tests.unit.stackfiles import ROOT

SCRIPTS = ROOT / "components" / "k3s" / "scripts"
FILES = {"k3s": b"binary", "images.tar.zst": b"images", "install.sh": b"installer"}
CHECKSUMS = "sha256sum-amd64.txt"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    listed = [f"{digest(content)}  {name}\n" for name, content in FILES.items()]
    (tmp_path / CHECKSUMS).write_text("".join(listed[:2]))
    return tmp_path


def verified(store: Path) -> "subprocess.CompletedProcess[str]":
    variables = {
        "NODE": "dev-agent-1",
        "STEP": "install",
        "STORE": str(store),
        "CHECKSUMS": CHECKSUMS,
        "BINARY": "k3s",
        "IMAGES": "images.tar.zst",
        "INSTALLER_SHA256": digest(FILES["install.sh"]),
    }
    text = compose([SCRIPTS / "lib.sh", SCRIPTS / "release.sh"], variables) + "verify_artifacts\n"
    return subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False)


def test_a_whole_release_is_used(store: Path) -> None:
    for _ in range(2):
        done = verified(store)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [*FILES, CHECKSUMS])
def test_a_file_that_is_gone_is_told_with_the_way_out(store: Path, name: str) -> None:
    (store / name).unlink()
    done = verified(store)
    assert done.returncode == 1
    assert done.stderr == (
        f"dev-agent-1: install: {store}/{name} is missing — upload or download did not end, or it "
        "was removed since — run up again; where that does not bring it back: replace: "
        "[dev-agent-1]\n"
    )


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().swapcase())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [cut_off, changed])
def test_a_file_that_is_another_is_removed_and_both_checksums_told(
    store: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(store / name)
    found = digest((store / name).read_bytes())
    done = verified(store)
    assert done.returncode == 1
    assert done.stderr == (
        f"dev-agent-1: install: {name} has SHA-256 {found} — expected is {digest(FILES[name])} — "
        "it was removed; check where it came from, then run up again\n"
    )
    assert not (store / name).exists()
