"""What a run is doing, noticed from outside: its lines, and the scripts that it has running."""

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.kills.places import Boundary, Script, boundary

_INTERVAL = 0.005
# A process that is new may still become another program.
_SETTLED = 1.0
_SH = ["sh", "-s", "--"]


@dataclass
class Running:
    """A script that was seen: its process, and when it was first and last there."""

    process: int
    first: float
    last: float


class Watch:
    """Follows a run: the boundaries that its output tells of, and the stack's scripts under /proc.

    Containers' processes are among this machine's, so nothing is asked of a node.
    """

    def __init__(self, stack: str, run: "subprocess.Popen[str]") -> None:
        self._stack = stack
        self.lines: list[str] = []
        self.boundaries: set[Boundary] = set()
        self.scripts: dict[Script, Running] = {}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(run,), daemon=True),
            threading.Thread(target=self._look, daemon=True),
        ]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self, run: "subprocess.Popen[str]") -> None:
        for line in run.stdout or ():
            self.lines.append(line.rstrip("\n"))
            if found := boundary(self.lines[-1]):
                self.boundaries.add(found[1])

    def _look(self) -> None:
        born: dict[int, float] = {}
        known: dict[int, Script] = {}
        while not self._over.wait(_INTERVAL):
            now = monotonic()
            there = {int(e.name) for e in os.scandir("/proc") if e.name.isdigit()}
            born = {process: born.get(process, now) for process in there}
            for process, since in born.items():
                if process in known:
                    continue
                if now - since < _SETTLED and (script := script_of(process, self._stack)):
                    known[process] = script
                    self.scripts.setdefault(script, Running(process, now, now))
            for process in list(known):
                if process not in there:
                    del known[process]
                elif self.scripts[known[process]].process == process:
                    self.scripts[known[process]].last = now


def script_of(process: int, stack: str) -> Script | None:
    """The script of the stack that a process is, if it is one."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None  # it has ended in between
    if words[:3] != _SH or len(words) < 5 or stack not in words[4]:
        return None
    return Script(words[3], words[4])


def running_scripts(stack: str) -> Iterator[tuple[int, Script]]:
    """The stack's scripts that run now, on this machine and on its nodes."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (script := script_of(int(entry.name), stack)):
            yield int(entry.name), script
