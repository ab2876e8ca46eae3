"""A copy of the project in which a test is the user: a stack file of its own, and `make`."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.copies import Copy, environment
from tools.paths import cache_folder

# Longer than the slowest step's own bound, so that its words are heard before the test gives up.
_MAKE_SECONDS = 1800


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
        self._copy = Copy(self.folder, stack)
        self._settings = dict(settings)
        self.said: list[str] = []

    def refill(self) -> None:
        """Copy the project as it stands in the working tree; `.state` stays."""
        self._copy.refill()
        self.configure()

    def configure(self, **changes: object) -> None:
        """Write the stack file, settings as given with `changes` in place of some."""
        self._settings |= changes
        self._copy.configure(self._settings)

    def make(self, command: str, **variables: str) -> Made:
        """Run `make COMMAND STACK=...` as a user does; never raises."""
        return self._run(self._copy.make(command), **variables)

    def _run(self, words: Sequence[str], **variables: str) -> Made:
        process = subprocess.run(
            words,
            cwd=self.folder,
            env=environment(**{"K3S": "lab", **variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MAKE_SECONDS,
            check=False,
        )
        made = Made(process.returncode, process.stdout, process.stderr)
        self.said.append(made.text)
        return made

    def command(self, command: str, *, under: Sequence[str] = (), **variables: str) -> Made:
        """The same without `make`, whose exit code is its own; `under` are words before it."""
        words = [*under, sys.executable, "-m", "tools", command, "--stack", self.stack]
        return self._run(words, **variables)

    def start(self, command: str, log: Path, **variables: str) -> "subprocess.Popen[bytes]":
        """The same, left running; what it says goes to `log`."""
        with log.open("wb") as said:
            return subprocess.Popen(
                self._copy.make(command),
                cwd=self.folder,
                env=environment(**{"K3S": "lab", **variables}),
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
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        outputs: dict[str, Any] = json.loads(run.stdout)
        return outputs

    @property
    def state(self) -> Path:
        return self._copy.state.root
