"""tools/bootstrap.sh: makes the environment once, whole, and says what it lacks.

Python and apt-get are the edge of the project here: small scripts stand for both.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the script itself needs of a system, and nothing else that this machine happens to have.
NEEDED = ("cat", "dirname", "env", "mkdir", "rm", "sed", "sh", "xargs", "flock")
# Makes what `python -m venv` makes, as far as the script looks; notes each `pip install`.
PYTHON = """#!/bin/sh
case "$*" in
*python%d.%d-venv*) echo python3.99-venv ;;
*"import ensurepip"*) [ ! -e "$STUB/no-venv" ] ;;
*"-m venv"*)
    for folder; do :; done
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python"
    ;;
*"pip "*" wheel "*)
    echo "$*" >>"$STUB/fetched"
    [ ! -e "$STUB/cut-off" ] && : >"$STUB/wheels"
    ;;
*"pip "*" install "*)
    [ -e "$STUB/wheels" ] || exit 1
    echo "$*" >>"$STUB/installed"
    ;;
*--version) echo "Python 3.99" ;;
*) [ ! -e "$STUB/old" ] ;;
esac
"""
APT = """#!/bin/sh
echo "$*" >>"$STUB/apt"
rm -f "$STUB/no-venv"
"""


class Clone:
    """A clone on a machine with little on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stub, self.bin = folder / "clone", folder / "stub", folder / "bin"
        for name in (self.folder / "tools", self.folder / "lab", self.folder / "tests"):
            name.mkdir(parents=True)
        self.stub.mkdir()
        self.bin.mkdir()
        shutil.copy2(ROOT / "tools" / "bootstrap.sh", self.folder / "tools")
        for part in (".", "lab", "tests"):
            (self.folder / part / "requirements.txt").write_text(f"of-{part}==1\n")
        for program in (*NEEDED, "cp", "id"):
            (self.bin / program).symlink_to(str(shutil.which(program)))
        self.program("python3", PYTHON)

    def program(self, name: str, text: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, level: str = "program") -> "subprocess.CompletedProcess[str]":
        env = {
            "PATH": str(self.bin),
            "STUB": str(self.stub),
            "HOME": str(self.folder.parent / "home"),
            "K3S_PULUMI_CACHE": str(self.folder.parent / "cache"),
        }
        return subprocess.run(
            [str(self.folder / "tools" / "bootstrap.sh"), level],
            env=env,
            cwd=os.sep,
            capture_output=True,
            text=True,
            check=False,
        )

    def noted(self, what: str) -> list[str]:
        """Command lines of pip: `fetched` from the index, `installed` from wheels."""
        noted = self.stub / what
        return noted.read_text().splitlines() if noted.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_it_installs_once_and_then_says_and_does_nothing(clone: Clone) -> None:
    first, second = clone.run(), clone.run()

    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr == "setup: Python packages into .venv (Python 3.99)\n"
    assert (second.returncode, second.stderr) == (0, "")
    (install,) = clone.noted("installed")
    assert install.endswith("-r requirements.txt -r lab/requirements.txt")


def test_what_developers_need_holds_what_the_program_needs(clone: Clone) -> None:
    clone.run("develop")
    clone.run("program")

    (install,) = clone.noted("installed")
    assert install.endswith("-r tests/requirements.txt")


def test_a_changed_requirement_is_installed(clone: Clone) -> None:
    clone.run("develop")
    (clone.folder / "lab" / "requirements.txt").write_text("of-lab==2\n")

    clone.run("program")
    clone.run("program")
    clone.run("develop")

    assert len(clone.noted("installed")) == 3


def test_an_installation_that_was_cut_off_is_begun_anew(clone: Clone) -> None:
    (clone.stub / "cut-off").touch()
    failed = clone.run()
    left = clone.folder / ".venv" / "half-installed"
    left.touch()
    (clone.stub / "cut-off").unlink()

    again = clone.run()

    assert failed.returncode == 1
    assert "pip could not install them" in failed.stderr
    assert again.returncode == 0
    assert not left.exists()
    assert len(clone.noted("fetched")) == 2
    assert len(clone.noted("installed")) == 1


def test_another_environment_is_made_from_the_wheels_that_are_there(clone: Clone) -> None:
    clone.run()
    shutil.rmtree(clone.folder / ".venv")

    clone.run()

    assert len(clone.noted("fetched")) == 1
    assert len(clone.noted("installed")) == 2


def test_home_is_left_alone(clone: Clone) -> None:
    clone.run()

    assert not (clone.folder.parent / "home").exists()
    assert (clone.folder.parent / "cache" / "wheels").is_dir()


def test_an_old_python_is_named_with_what_would_do(clone: Clone) -> None:
    (clone.stub / "old").touch()

    done = clone.run()

    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr


def test_root_gets_the_missing_venv_module_from_apt(clone: Clone) -> None:
    (clone.stub / "no-venv").touch()
    clone.program("apt-get", APT)
    clone.program("id", "#!/bin/sh\necho 0\n")

    done = clone.run()

    assert done.returncode == 0
    assert "setup: installing python3.99-venv (apt)" in done.stderr
    assert "install -y --no-install-recommends python3.99-venv" in (clone.stub / "apt").read_text()


def test_others_than_root_get_the_line_to_run(clone: Clone) -> None:
    (clone.stub / "no-venv").touch()
    clone.program("apt-get", APT)
    clone.program("id", "#!/bin/sh\necho 1000\n")

    done = clone.run()

    assert done.returncode == 1
    assert done.stderr.endswith("run: sudo apt-get install -y python3.99-venv\n")
    assert not (clone.stub / "apt").exists()
