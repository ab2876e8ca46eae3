"""The stack's state during a run: what was there, what this run has made of it, what is under way.

Every change goes to the journal at once; the checkpoint is written at the start, now and then
(so that the official CLI, too, finds a recent one after a kill), and at the end.
"""

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from lab.engine import backend, journal, resources
from lab.engine.backend import StackFiles
from lab.engine.crypter import Crypter
from lab.engine.errors import EngineError
from lab.engine.journal import Change, Journal
from lab.engine.resources import Resource
from lab.engine.snapshot import normalize, verify

_VERSION = f"v{version('pulumi')}"
_LEAST_SECONDS_BETWEEN = 1.0
_SECONDS_TO_STOP = 2.0
_SHARE_OF_TIME = 10  # between two checkpoints ten times what the last one took


@dataclass(frozen=True, eq=False)
class Operation:
    """Something that was started and not yet seen to end."""

    resource: Resource
    kind: str
    """creating, updating, deleting or reading."""


class State:
    """Thread-safe. ``old`` is what was there, ``fresh`` what this run registered, in order."""

    def __init__(self, files: StackFiles, crypter: Crypter, dry: bool) -> None:
        """Load the state, a killed run's journal included. ``dry``: nothing is ever written."""
        self.files, self.crypter, self._dry = files, crypter, dry
        deployment, self.recovered = journal.load(files)
        deployment = deployment or {}
        if deployment.get("snippets") or deployment.get("extensions"):
            raise EngineError(
                f"{files.checkpoint} — it has snippets or extensions — use the official CLI"
            )
        opened = opener(deployment, crypter)
        documents = normalize(deployment.get("resources") or [])
        self.old = [resources.from_json(d, opened) for d in documents]
        self.interrupted = [
            Operation(resources.from_json(o["resource"], opened), o["type"])
            for o in deployment.get("pending_operations") or []
        ]
        self.fresh: list[Resource] = []
        self._gone: dict[int, Resource] = {}  # by id; the object is kept, as ids come again
        self._numbers: dict[int, int] = {}
        self._next_number = 0
        self._operations: list[Operation] = []
        self._journal = Journal(files.journal)
        self._mutex = threading.RLock()
        self._written_at, self._write_took = 0.0, 0.0

    # What there is

    def resources(self) -> list[Resource]:
        """All resources in the order in which a checkpoint has them."""
        with self._mutex:
            return self.fresh + [r for r in self.old if id(r) not in self._gone]

    def find(self, urn: str, id_: str | None = None) -> Resource | None:
        """The resource of that URN that is not about to be deleted, this run's first."""
        for resource in self.resources():
            if resource.urn == urn and not resource.delete and id_ in (None, resource.id):
                return resource
        return None

    def is_gone(self, resource: Resource) -> bool:
        """Whether an old resource was deleted or taken over by this run."""
        return id(resource) in self._gone

    # What happens

    def open(self, clear_pending_creates: bool = False) -> None:
        """Start writing. Interrupted creates stay on record until they are cleared on purpose,
        as with the CLI; other interrupted operations do not (the next steps repeat them).
        """
        if self._dry:
            return
        backend.keep_backup(self.files)
        if not clear_pending_creates:
            for operation in self.interrupted:
                if operation.kind == "creating":
                    self._operations.append(operation)
        self.checkpoint()

    def begin(self, resource: Resource, kind: str) -> Operation:
        """An operation starts; end it with ``commit``."""
        with self._mutex:
            operation = Operation(resource.copy(), kind)
            self._operations.append(operation)
            number = self._numbered(operation)
            if not self._dry:
                self._record([["begin", number, self._operation_json(operation)]])
            return operation

    def commit(
        self,
        operation: Operation | None = None,
        *,
        drop: Iterable[Resource] = (),
        add: Resource | None = None,
        changed: Iterable[Resource] = (),
    ) -> None:
        """One step has ended: what it dropped, added and changed, all at once."""
        with self._mutex:
            changes: list[Change] = []
            if operation in self._operations:
                self._operations.remove(operation)
                changes.append(["end", self._numbers[id(operation)]])
            for resource in drop:
                self._gone[id(resource)] = resource
                if id(resource) in self._numbers:  # what is being imported was never there
                    changes.append(["drop", self._numbers[id(resource)]])
            touched = list(changed)
            if add is not None:
                self.fresh.append(add)
                self._numbered(add)
                touched.append(add)
            if not self._dry:
                changes += [["put", self._numbers[id(r)], self._json(r)] for r in touched]
                self._record(changes)

    def replace_old(self, refreshed: list[Resource]) -> None:
        """After a refresh: ``refreshed`` is what was there."""
        with self._mutex:
            self.old, self._gone = refreshed, {}
            if not self._dry:
                self.checkpoint()

    # How it is written

    def checkpoint(self) -> None:
        """Write the checkpoint; the journal starts over behind it."""
        if self._dry:
            return
        with self._mutex:
            started = time.monotonic()
            current = self.resources()
            documents = normalize([self._json(r) for r in current])
            verify(documents)
            content = backend.encode_checkpoint(self.files, self._deployment(documents))
            self._journal.start_over(backend.fingerprint(content), len(self.fresh))
            backend.write_private(self.files.checkpoint, content)
            self._journal.settle()
            self._renumber(current)
            self._written_at = time.monotonic()
            self._write_took = self._written_at - started

    def close(self) -> None:
        """The run is over: a last checkpoint, and no journal."""
        if not self._dry:
            with self._mutex:
                self.checkpoint()
                self._journal.remove()

    def stop_at_once(self) -> str:
        """Write what there is while operations are under way, and let nothing follow.

        Gives what to tell the user. The journal keeps what could not be written here.
        """
        if not self._mutex.acquire(timeout=_SECONDS_TO_STOP):
            return "stopped; the next run goes on from the journal"
        if not self._dry:  # the mutex stays taken: this process is about to end
            self.checkpoint()
        urns = [f"\n  {o.kind} {o.resource.urn}" for o in self._operations]
        return f"stopped; {len(urns)} steps were not seen to end:" + "".join(urns)

    def _record(self, changes: list[Change]) -> None:
        if not changes:
            return
        self._journal.append(changes)
        pause = max(_LEAST_SECONDS_BETWEEN, _SHARE_OF_TIME * self._write_took)
        if time.monotonic() - self._written_at > pause:
            self.checkpoint()

    def _numbered(self, item: Resource | Operation) -> int:
        """Give ``item`` the next number in the journal."""
        self._numbers[id(item)] = self._next_number
        self._next_number += 1
        return self._numbers[id(item)]

    def _renumber(self, current: list[Resource]) -> None:
        """In the journal, a number is a place in the checkpoint before it."""
        self._numbers = {id(resource): place for place, resource in enumerate(current)}
        self._numbers |= {id(o): place for place, o in enumerate(self._operations)}
        self._next_number = len(current) + len(self._operations)

    def _json(self, resource: Resource) -> dict[str, Any]:
        return resources.to_json(resource, self.crypter)

    def _operation_json(self, operation: Operation) -> dict[str, Any]:
        return {"resource": self._json(operation.resource), "type": operation.kind}

    def _deployment(self, documents: list[dict[str, Any]]) -> dict[str, Any]:
        manifest = {
            "time": resources.now(),
            "magic": hashlib.sha256(_VERSION.encode()).hexdigest(),
            "version": _VERSION,
        }
        deployment: dict[str, Any] = {
            "manifest": manifest,
            "secrets_providers": {
                "type": "passphrase",
                "state": {"salt": self.crypter.salt_line},
            },
            "resources": documents,
        }
        if self._operations:
            pending = [self._operation_json(o) for o in self._operations]
            deployment["pending_operations"] = pending
        deployment["metadata"] = {}
        return deployment


def opener(deployment: dict[str, Any], crypter: Crypter) -> Crypter:
    """The crypter for the secrets of a deployment: its own salt may differ from the config's."""
    providers = deployment.get("secrets_providers") or {}
    if providers.get("type", "passphrase") != "passphrase":
        raise EngineError(
            f"the state's secrets are kept by {providers['type']!r} — the lab engine knows the "
            "passphrase provider alone — use the official CLI"
        )
    salt = salt_of(deployment)
    return crypter.with_salt(salt) if salt and salt != crypter.salt_line else crypter


def salt_of(deployment: dict[str, Any]) -> str:
    """The salt that a deployment's secrets were encrypted with; empty when it has none."""
    state = (deployment.get("secrets_providers") or {}).get("state") or {}
    salt = state.get("salt", "")
    return salt if isinstance(salt, str) else ""
