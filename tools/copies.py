"""A copy of the project with a stack file of its own, for work that must not touch the user's.

It stands at a fixed place, so that a run after a killed one finds the state that was left, and
takes down what still stands.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.messages import ToolError
from tools.paths import CLONE, PROJECT, State

# What a `make` around this one hands down to a `make` within.
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMERR", "MAKE_TERMOUT", "STACK", "ARGS")


@dataclass(frozen=True)
class Copy:
    """`stack` is a name that no user has, with networks of its own."""

    folder: Path
    stack: str

    @property
    def state(self) -> State:
        """What `make` keeps there of the stack."""
        return State(self.folder / ".state")

    @property
    def is_made(self) -> bool:
        """Whether there is a project to run `make` in."""
        return (self.folder / "Makefile").is_file()

    def refill(self) -> None:
        """Copies the project as it stands in the working tree; the state stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in self.folder.iterdir():
            if entry.name != self.state.root.name:
                _remove(entry)
        for name in _files():
            if (CLONE / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CLONE / name, self.folder / name)
        (self.folder / ".venv").symlink_to(sys.prefix)

    def configure(self, settings: Mapping[str, object]) -> None:
        """Writes the stack file; `settings` by their keys without the project's name."""
        config = {f"{PROJECT}:{key}": value for key, value in settings.items()}
        target = self.folder / f"Pulumi.{self.stack}.yaml"
        target.write_text(yaml.safe_dump({"config": config}, sort_keys=False))

    def make(self, command: str) -> list[str]:
        """The command line of `make COMMAND` for the stack."""
        return ["make", command, f"STACK={self.stack}"]


def environment(**variables: str) -> dict[str, str]:
    """A user's, and these variables."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    return {**kept, "LAB_PYTHON": sys.executable, **variables}


def _files() -> list[str]:
    """The project's files, those not committed yet among them. Raises ToolError without git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolError(
            f"{CLONE}",
            f"git does not tell which files are the project's: {error}",
            "install git, and run this in a clone",
        ) from error
    return [name for name in listed.stdout.split("\0") if name]


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
