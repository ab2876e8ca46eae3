"""What the parts of a running deployment share."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.engine.config import StackConfig
from lab.engine.registry import ProviderResources
from lab.engine.resources import Resource
from lab.engine.state import State


class Events(Protocol):
    """Who is told what happens: the display, and the log of ``--events``."""

    def began(self, op: str, urn: str) -> None:
        """A step has started."""

    def ended(self, op: str, urn: str, ok: bool) -> None:
        """A step that had started has ended."""

    def noted(self, op: str, urn: str) -> None:
        """Something that takes no time, such as ``replace``."""

    def said(self, severity: str, message: str, urn: str = "") -> None:
        """A message; severity is debug, info, warning or error."""

    def hide(self, secrets: Iterable[str]) -> None:
        """These texts must not be shown."""


@dataclass
class Inherited:
    """What the children of a resource take over from it."""

    protect: bool | None
    retain: bool | None
    deleted_with: str
    provider: str
    providers: dict[str, str]


@dataclass
class Tables:
    """What has been decided so far, by URN (``predeleted`` by object)."""

    seen: set[str] = field(default_factory=set)
    operations: dict[str, set[str]] = field(default_factory=dict)
    """create, same, update, replace or read: what was decided for a registration."""
    deleting: set[str] = field(default_factory=set)
    replacing: set[str] = field(default_factory=set)
    predeleted: set[int] = field(default_factory=set)
    """Old resources that go before their dependency is made anew."""
    failed: set[str] = field(default_factory=set)
    renamed_from: dict[str, str] = field(default_factory=dict)
    renamed_to: dict[str, str] = field(default_factory=dict)
    inherited: dict[str, Inherited] = field(default_factory=dict)
    olds: dict[str, Resource] = field(default_factory=dict)
    """What was there, except what is only waiting to be deleted."""

    def decide(self, urn: str, operation: str) -> None:
        self.operations.setdefault(urn, set()).add(operation)

    def is_kept(self, urn: str) -> bool:
        """Whether the program still wants the old resource of that URN."""
        decided = self.operations.get(self.renamed_to.get(urn, urn), set())
        return bool(decided & {"same", "update", "replace", "read"})


class Activity:
    """Counts what is under way, so that nobody is cut off in the middle of a step."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_until_idle(self) -> None:
        """Wait for what has begun; each step is bounded by its provider, and by Ctrl-C."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0)


@dataclass
class Run:
    """One preview, up, refresh or destroy."""

    project: str
    stack: str
    folder: Path
    dry: bool
    """A preview: nothing is made and nothing written."""
    parallel: int
    continue_on_error: bool
    config: StackConfig
    state: State
    providers: ProviderResources
    events: Events
    tables: Tables = field(default_factory=Tables)
    errors: list[str] = field(default_factory=list)
    activity: Activity = field(default_factory=Activity)
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Nothing new is started any more, whether by the user's wish or after an error."""
    interrupted: threading.Event = field(default_factory=threading.Event)
    """The user's wish."""
    program_done: threading.Event = field(default_factory=threading.Event)
    """The program has registered all it has."""
    finished: threading.Event = field(default_factory=threading.Event)
    """The program may end."""

    def fail(self, message: str, urn: str = "") -> None:
        """Note an error, so that the run ends with it."""
        self.errors.append(message)
        self.events.said("error", message, urn)

    def index(self) -> None:
        """Make ``tables.olds`` from the state, as it is or as a refresh left it."""
        self.tables.olds = {r.urn: r for r in self.state.old if not r.delete}
