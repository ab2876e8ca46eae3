"""The steps a deployment consists of. Each makes its change, then records it in the state."""

from dataclasses import dataclass
from typing import Protocol

from lab.engine.errors import EngineError, UnhealthyError, listed
from lab.engine.providers import Made
from lab.engine.resources import Resource, now
from lab.engine.run import Run
from lab.engine.state import Operation
from lab.engine.values import secret_strings


class Step(Protocol):
    def execute(self, run: Run) -> None:
        """Do it. Raises ``EngineError`` when it failed; the state then says what is true."""


@dataclass(frozen=True)
class Note:
    """Nothing but a word to the user, such as ``replace``."""

    op: str
    urn: str

    def execute(self, run: Run) -> None:
        run.events.noted(self.op, self.urn)


@dataclass(frozen=True)
class Same:
    """Nothing about the resource changed but, perhaps, its options."""

    old: Resource
    new: Resource
    quiet: bool = False

    def execute(self, run: Run) -> None:
        new = self.new
        new.id, new.outputs = self.old.id, self.old.outputs
        if new.is_provider:
            run.providers.bind(new.urn, new.id, self.old.inputs)
        new.hide_additional_secrets()
        run.state.commit(drop=[self.old], add=new)
        if not self.quiet:
            run.events.noted("same", new.urn)


@dataclass(frozen=True)
class Create:
    """Make a resource: a new one (``old`` is None), or one that takes the place of ``old``."""

    new: Resource
    op: str
    old: Resource | None = None
    old_stays: bool = False
    """The old resource still exists and is deleted at the end."""

    def execute(self, run: Run) -> None:
        new, operation = self.new, _begin(run, self.op, self.new, "creating")
        provider = run.providers.of(new)
        try:
            made = provider.create(new, run.dry) if provider else Made("", {})
        except EngineError:
            _failed(run, self.op, new, operation)
            raise
        new.id, new.outputs, new.initErrors = made.id, made.outputs, made.init_errors
        new.created = new.modified = now()
        _keep(run, new)
        if self.old is None:
            run.state.commit(operation, add=new)
        elif self.old_stays:
            self.old.delete = True
            run.state.commit(operation, add=new, changed=[self.old])
        else:
            run.state.commit(operation, add=new, drop=[self.old])
        _ended(run, self.op, new)


@dataclass(frozen=True)
class Update:
    """Change a resource where it stands."""

    old: Resource
    new: Resource

    def execute(self, run: Run) -> None:
        new = self.new
        new.id = self.old.id
        operation = _begin(run, "update", new, "updating")
        provider = run.providers.of(new)
        try:
            made = provider.update(self.old, new, run.dry) if provider else Made("", {})
        except EngineError:
            _failed(run, "update", new, operation)
            raise
        new.outputs, new.initErrors, new.modified = made.outputs, made.init_errors, now()
        _keep(run, new)
        run.state.commit(operation, add=new, drop=[self.old])
        _ended(run, "update", new)


@dataclass(frozen=True)
class Delete:
    """Delete a resource, or forget it where it is not this stack's to delete."""

    old: Resource
    op: str
    remains: bool = False
    """It stays in the state as one that must be made anew (delete before replace)."""

    def execute(self, run: Run) -> None:
        old = self.old
        op = self.op.replace("delete", "discard") if old.external else self.op
        operation = _begin(run, op, old, "deleting")
        try:
            if self.op == "delete" and old.protect:
                raise EngineError(
                    f"resource {old.urn} cannot be deleted — it is protected — set protect to "
                    "False in the program and run up first"
                )
            provider = None if run.dry or self._goes_without(run) else run.providers.of(old)
            if provider:
                provider.delete(old)
        except EngineError:
            _failed(run, op, old, operation)
            raise
        if self.remains:
            old.pendingReplacement = True
            run.state.commit(operation, changed=[old])
        else:
            run.state.commit(operation, drop=[old])
        run.events.ended(op, old.urn, True)

    def _goes_without(self, run: Run) -> bool:
        old = self.old
        gone_with = bool(old.deletedWith) and old.deletedWith in run.tables.deleting
        return old.external or old.retainOnDelete or gone_with


@dataclass(frozen=True)
class Forget:
    """Take out of the state what was deleted to be made anew, and is not wanted any more."""

    old: Resource

    def execute(self, run: Run) -> None:
        run.events.noted("remove-pending-replace", self.old.urn)
        run.state.commit(drop=[self.old])


def _begin(run: Run, op: str, resource: Resource, kind: str) -> Operation | None:
    run.events.hide(secret_strings([resource.inputs, resource.outputs]))
    run.events.began(op, resource.urn)
    if run.dry or not resource.custom:
        return None
    return run.state.begin(resource, kind)


def _keep(run: Run, new: Resource) -> None:
    new.hide_additional_secrets()
    run.events.hide(secret_strings(new.outputs))


def _failed(run: Run, op: str, resource: Resource, operation: Operation | None) -> None:
    run.state.commit(operation)
    run.events.ended(op, resource.urn, False)


def _ended(run: Run, op: str, new: Resource) -> None:
    run.events.ended(op, new.urn, not new.initErrors)
    if new.initErrors:
        raise UnhealthyError(f"it exists, but did not become healthy: {listed(new.initErrors)}")
