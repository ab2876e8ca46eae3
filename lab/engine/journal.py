"""What a run changed since its last checkpoint, one JSON line per change.

A line costs the same however large the stack is, so the checkpoint need not be written after
each step; a run that is killed is continued from checkpoint plus journal. The first line names
the checkpoint it belongs to by SHA-256 and says how many of its resources this run had already
written. Lines are appended with one write(2) each: they outlive the process, and the checkpoint
that follows is what is synced to disk.

A line is a list of changes, applied together:
    ["put", number, resource]    a resource of that number is new or changed
    ["drop", number]             it is gone
    ["begin", number, operation] an operation has started
    ["end", number]              it has ended
A number below the checkpoint's count is a place in it; others were given out in this run.
"""

import json
import os
from pathlib import Path
from typing import Any, TypeAlias

from lab.engine.backend import StackFiles, read_checkpoint, write_private
from lab.engine.errors import EngineError

Change: TypeAlias = list[Any]


class Journal:
    """The open journal of a run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self.lines = 0

    def start_over(self, checkpoint_sha: str, fresh: int) -> None:
        """Begin the journal that follows a checkpoint. Call before that checkpoint is moved
        into place; ``settle`` afterwards. ``fresh``: its first resources that this run wrote.
        """
        self.close()
        next_file = self._file.with_name(self._file.name + ".next")
        header = {"follows": checkpoint_sha, "fresh": fresh}
        write_private(next_file, json.dumps(header).encode() + b"\n")

    def settle(self) -> None:
        """The checkpoint is in place: its journal takes over from the one before."""
        self._file.with_name(self._file.name + ".next").replace(self._file)
        self._descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND)
        self.lines = 0

    def append(self, changes: list[Change]) -> None:
        if self._descriptor is None:
            raise EngineError("engine bug: the journal is not open")
        line = json.dumps(changes, separators=(",", ":")).encode() + b"\n"
        if os.write(self._descriptor, line) != len(line):
            raise EngineError(f"{self._file} — a line could not be written whole — free disk space")
        self.lines += 1

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """The checkpoint says it all: no journal is left behind."""
        self.close()
        self._file.unlink(missing_ok=True)


def load(files: StackFiles) -> tuple[dict[str, Any] | None, int]:
    """The deployment as the last run left it, and how many journal lines it took to get there.

    Raises ``EngineError`` when a journal belongs to another checkpoint: then the official CLI
    (or a restored file) came in between.
    """
    deployment, sha = read_checkpoint(files)
    candidates = [files.journal, files.journal.with_name(files.journal.name + ".next")]
    found = [(file, lines) for file in candidates if (lines := _read_lines(file))]
    for _, lines in found:
        if lines[0].get("follows") == sha:
            return _replay(deployment, lines[0]["fresh"], lines[1:]), len(lines) - 1
    unused = [file for file, lines in found if len(lines) > 1]
    if unused:
        raise EngineError(
            f"{unused[0]} — a killed run of the lab engine wrote it, but the checkpoint was "
            "changed by something else since — look up in it which resources that run made, "
            "then delete it"
        )
    return deployment, 0


def _read_lines(file: Path) -> list[Any]:
    """The journal's whole lines; one cut off in the middle is the last and was never acted on."""
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in raw.split(b"\n")[:-1]]


def _replay(
    deployment: dict[str, Any] | None, fresh: int, lines: list[list[Change]]
) -> dict[str, Any] | None:
    if not lines:
        return deployment
    deployment = dict(deployment or {})
    resources: dict[int, Any] = dict(enumerate(deployment.get("resources") or []))
    operations: dict[int, Any] = dict(enumerate(deployment.get("pending_operations") or []))
    order = list(resources)
    for kind, number, *rest in (change for line in lines for change in line):
        if kind == "put":
            if number not in resources:
                order.insert(fresh, number)
                fresh += 1
            resources[number] = rest[0]
        elif kind == "drop":
            resources[number] = None
        elif kind == "begin":
            operations[number] = rest[0]
        elif kind == "end":
            operations.pop(number, None)
        else:
            raise EngineError(f"engine bug: the journal holds the unknown change {kind!r}")
    deployment["resources"] = [resources[n] for n in order if resources[n] is not None]
    deployment["pending_operations"] = list(operations.values())
    return deployment
