"""A copy of the project in which a test is the user: a stack file of its own, and `make`.

It stands at a fixed place in the cache folder, so that a run after a killed one finds the state
that was left, and takes down what still stands.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.unit.stackfiles import ROOT
from tools.paths import cache_folder

# As long as the slowest step's own bound, so that its words are heard before the test gives up.
_MAKE_SECONDS = 800


@dataclass(frozen=True)
class Made:
    """What a `make` said: standard output alone, and both streams together with its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


class Workspace:
    """The copy. `stack` is a name that no user has, with networks of its own."""

    def __init__(self, stack: str, settings: Mapping[str, object]) -> None:
        self.stack = stack
        self.folder = cache_folder() / "tests" / stack
        self._settings = dict(settings)
        self.said: list[str] = []

    def refill(self) -> None:
        """Copy the project as it stands in the working tree; `.state` stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in self.folder.iterdir():
            if entry.name != ".state":
                shutil.rmtree(
                    entry
                ) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)
        (self.folder / ".venv").symlink_to(sys.prefix)
        self.configure()

    def configure(self, **changes: object) -> None:
        """Write the stack file, settings as given with `changes` in place of some."""
        self._settings |= changes
        config = {f"k3s:{key}": value for key, value in self._settings.items()}
        target = self.folder / f"Pulumi.{self.stack}.yaml"
        target.write_text(yaml.safe_dump({"config": config}, sort_keys=False))

    def make(self, command: str, **variables: str) -> Made:
        """Run `make COMMAND STACK=...` as a user does; never raises."""
        process = subprocess.run(
            ["make", command, f"STACK={self.stack}"],
            cwd=self.folder,
            env=_environment(K3S="lab", **variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MAKE_SECONDS,
            check=False,
        )
        made = Made(process.returncode, process.stdout, process.stderr)
        self.said.append(made.text)
        return made

    def start(self, command: str, log: Path, **variables: str) -> "subprocess.Popen[bytes]":
        """The same, left running; what it says goes to `log`."""
        with log.open("wb") as said:
            return subprocess.Popen(
                ["make", command, f"STACK={self.stack}"],
                cwd=self.folder,
                env=_environment(K3S="lab", **variables),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear, by whichever engine drives it."""
        words = ["outputs", "--stack", self.stack, "--json", "--show-secrets"]
        run = subprocess.run(
            [sys.executable, "-m", "tools", *words],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        outputs: dict[str, Any] = json.loads(run.stdout)
        return outputs

    @property
    def state(self) -> Path:
        return self.folder / ".state"


def _environment(**variables: str) -> dict[str, str]:
    """A user's: without what the `make` around the tests hands down to a `make` within."""
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMERR", "MAKE_TERMOUT", "STACK", "ARGS")
    kept = {name: value for name, value in os.environ.items() if name not in of_make}
    return {**kept, "LAB_PYTHON": sys.executable, **variables}
