"""What the user sees: a live table on a terminal, one line a start and end elsewhere."""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from lab.engine import urns

_COLOURS = {"warning": "yellow", "error": "bold red", "info": "dim"}
_COUNTED = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "discard": "deleted",
    "same": "unchanged",
    "read": "read",
    "import": "imported",
    "refreshed-update": "refreshed",
    "refreshed-delete": "found deleted",
}
_SHORTEST_SECRET_LINE = 8
_MASK = "[secret]"


class Redactor:
    """Replaces secrets in texts. Short ones, which are parts of ordinary words, are not known."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def hide(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            for text in (secret, *secret.splitlines()):
                if len(text.strip()) >= _SHORTEST_SECRET_LINE:
                    self._secrets.add(text.strip())

    def clean(self, text: str) -> str:
        for secret in sorted(self._secrets.copy(), key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return text


def nobody_reads() -> None:
    """What the messages go to is closed: the run goes on, to its end or until it is cancelled."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())


class _Console(Console):
    """Rich's own ends the thread that prints."""

    @override
    def on_broken_pipe(self) -> None:
        nobody_reads()


class Display:
    """Follows the steps of a run; ``Events`` for it."""

    def __init__(self, preview: bool, event_log: IO[str] | None = None) -> None:
        self._console = _Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._preview, self._event_log = preview, event_log
        self._redactor = Redactor()
        self._running: dict[tuple[str, str], float] = {}
        self._last_line: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._started = time.monotonic()
        self._mutex = threading.RLock()
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._table,
                console=self._console,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()

    def hide(self, secrets: Iterable[str]) -> None:
        with self._mutex:
            self._redactor.hide(secrets)

    def began(self, op: str, urn: str) -> None:
        with self._mutex:
            self._record(op, urn)
            self._running[op, urn] = time.monotonic()
            if not self._live:
                self._print(f"  {op:<20} {_title(urn)}")

    def ended(self, op: str, urn: str, ok: bool) -> None:
        with self._mutex:
            seconds = time.monotonic() - self._running.pop((op, urn), self._started)
            self._last_line.pop(urn, None)
            if ok:
                self._count(op)
            if ok and self._preview and not self._live:
                return  # its first line said all
            outcome = "done" if ok else "FAILED"
            style = "green" if ok else "bold red"
            self._print(f"  {op:<20} {_title(urn)} {outcome} {seconds:.1f} s", style)

    def noted(self, op: str, urn: str) -> None:
        with self._mutex:
            self._record(op, urn)
            self._count(op)

    def said(self, severity: str, message: str, urn: str = "") -> None:
        message = self._redactor.clean(message).rstrip()
        if severity == "debug" or not message:
            return
        with self._mutex:
            if self._live and severity == "info" and urn:
                self._last_line[urn] = message.splitlines()[-1]
                return
            name = f"{urns.name_of(urn)}: " if urn else ""
            word = "" if severity == "info" else f"{severity}: "
            self._print(f"{word}{name}{message}", _COLOURS.get(severity, ""))

    def close(self, outcome: str) -> None:
        """Stop, and print the summary: ``outcome``, counts, seconds."""
        with self._mutex:
            if self._live:
                self._live.stop()
                self._live = None
            seconds = time.monotonic() - self._started
            counts = ", ".join(f"{n} {what}" for what, n in self._counts.items()) or "nothing to do"
            self._print(f"{outcome}: {counts}; {seconds:.1f} s", "bold")

    def _count(self, op: str) -> None:
        if op in _COUNTED:
            self._counts[_COUNTED[op]] += 1

    def _record(self, op: str, urn: str) -> None:
        if self._event_log:
            self._event_log.write(json.dumps({"op": op, "urn": urn}) + "\n")
            self._event_log.flush()

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(self._redactor.clean(text), style))

    def _table(self) -> Group:
        """Drawn by Rich's own thread under Rich's lock, which printing takes, too: taking the
        mutex here would lock both up. Copies of dicts are made in one go.
        """
        running, counts, now = self._running.copy(), self._counts.copy(), time.monotonic()
        table = Table.grid(padding=(0, 2))
        for (op, urn), since in running.items():
            line = self._redactor.clean(self._last_line.get(urn, ""))
            seconds = f"{now - since:5.1f} s"
            table.add_row(Text(op, "cyan"), Text(_title(urn)), seconds, Text(line, "dim"))
        done = ", ".join(f"{n} {what}" for what, n in counts.items())
        word = "previewing" if self._preview else "running"
        status = f"{word} {len(running)}; {done}; {now - self._started:.0f} s"
        return Group(table, Text(status, "dim"))


def _title(urn: str) -> str:
    return f"{urns.type_of(urn)} {urns.name_of(urn)}"
