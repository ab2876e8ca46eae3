"""`make clean`: never while somebody needs the state."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import clean


def state_with(clone: Path, resources: list[object], pending: list[object]) -> None:
    stacks = clone / ".state" / "backend" / ".pulumi" / "stacks" / "k3s"
    stacks.mkdir(parents=True)
    latest = {"resources": resources, "pending_operations": pending}
    (stacks / "dev.json").write_text(json.dumps({"checkpoint": {"latest": latest}}))


@pytest.mark.parametrize(("resources", "pending"), [([{"urn": "x"}], []), ([], [{"type": "c"}])])
def test_a_stack_with_resources_stops_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    resources: list[object],
    pending: list[object],
) -> None:
    state_with(tmp_path, resources, pending)
    (tmp_path / ".venv").mkdir()

    assert clean.clean(tmp_path) == 1

    assert "make destroy STACK=dev" in capsys.readouterr().err
    assert (tmp_path / ".venv").exists()
    assert (tmp_path / ".state").exists()


def test_what_was_made_goes_and_what_was_written_stays(tmp_path: Path) -> None:
    state_with(tmp_path, [], [])
    for name in (".venv/bin", ".mypy_cache", "tools/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("tools/x.py", "Pulumi.dev.yaml"):
        (tmp_path / name).write_text("")

    assert clean.clean(tmp_path) == 0

    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert files == {"tools", "tools/x.py", "Pulumi.dev.yaml"}


def test_a_run_that_was_cut_off_stops_it(tmp_path: Path) -> None:
    state_with(tmp_path, [], [])
    stacks = tmp_path / ".state" / "backend" / ".pulumi" / "stacks" / "k3s"
    (stacks / "dev.json.lab-journal").write_text("{}\n")

    assert clean.clean(tmp_path) == 1


def test_a_linked_environment_is_unlinked_only(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".venv").symlink_to(tmp_path / "elsewhere")

    assert clean.clean(clone) == 0

    assert (tmp_path / "elsewhere").exists()
    assert not (clone / ".venv").is_symlink()


def test_an_unknown_option_removes_nothing(tmp_path: Path) -> None:
    shutil.copytree(Path(clean.__file__).parent, tmp_path / "tools")
    (tmp_path / ".venv").mkdir()

    for option in ("--dry-run", "--help", "word"):
        command = [sys.executable, "-m", "tools.clean", option]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert (tmp_path / ".venv").exists()
