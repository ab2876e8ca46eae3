"""What is to be done for one registration: nothing, create, update or replace.

Source: ``pkg/resource/deploy/step_generator.go``. Runs for one registration at a time.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import alias_pb2

from lab.engine import aliases, paths, urns
from lab.engine.errors import EngineError, listed
from lab.engine.providers import Diff, Provider
from lab.engine.replacement import dependents, replace_on_changes
from lab.engine.resources import Resource, now
from lab.engine.run import Run
from lab.engine.steps import Create, Delete, Note, Same, Step, Update
from lab.engine.values import Properties, has_unknown, reveal

_SEED_BYTES = 32


@dataclass
class Goal:
    """What the program registered."""

    new: Resource
    inputs: Properties
    """As the program gave them, before the provider's Check."""
    aliases: Sequence[alias_pb2.Alias] = ()
    delete_first: bool | None = None
    """deleteBeforeReplace; None leaves it to the provider."""
    seed: bytes = field(default_factory=lambda: os.urandom(_SEED_BYTES))
    """Random bytes from which the provider makes a physical name."""


def generate(run: Run, goal: Goal) -> list[Step]:
    """The steps for ``goal``; its resource gets the checked inputs.

    Raises ``EngineError`` for a goal that cannot be met.
    """
    new, tables = goal.new, run.tables
    if new.urn in tables.seen:
        raise EngineError(
            f"duplicate resource URN '{new.urn}' — two resources of one type and parent have the "
            "same name — give one of them another"
        )
    if new.parent and new.parent not in tables.seen:
        raise EngineError(f"could not find parent resource {new.parent}")
    tables.seen.add(new.urn)
    old = _old_of(run, goal)
    provider = run.providers.of(new)
    steps: list[Step] = []
    imported = bool(provider) and _is_import(old, new)
    if provider and imported:
        old = _import(provider, new)
        steps.append(Note("import", new.urn))
    return steps + _decide(run, goal, old, provider, imported)


def _decide(
    run: Run, goal: Goal, old: Resource | None, provider: Provider | None, imported: bool
) -> list[Step]:
    new, tables = goal.new, run.tables
    recreated = new.urn in tables.deleting
    kept = paths.keep_old(new.inputs, old.inputs, new.ignoreChanges) if old else new.inputs
    if provider and (old is None or recreated or old.external):
        new.inputs = _checked(provider, goal, {}, goal.inputs)
    elif provider and old:
        new.inputs = _checked(provider, goal, old.inputs, kept)
    if old is None:
        tables.decide(new.urn, "create")
        return [Create(new, "create")]
    new.created, new.modified = new.created or old.created, new.modified or old.modified
    if recreated:
        tables.deleting.discard(new.urn)
        tables.replacing.add(new.urn)
        tables.decide(new.urn, "replace")
        return [Note("replace", new.urn), Create(new, "create-replacement", old)]
    if old.external:
        tables.decide(new.urn, "create")
        create = Create(new, "create-replacement", old, old_stays=True)
        return [create, Note("replace", new.urn)]
    triggered = _is_triggered(old, new)
    inputs = new.inputs if provider else kept
    diff = Diff(True) if triggered else _difference(run, goal, old, inputs, provider)
    replace_on_changes(diff, new.replaceOnChanges, bool(old.initErrors))
    if (diff.changed and diff.replaces) or triggered or old.pendingReplacement:
        return _replace(run, goal, old, provider, diff)
    if diff.changed or old.initErrors:
        tables.decide(new.urn, "update")
        return [Update(old, new)]
    tables.decide(new.urn, "same")
    return [Same(old, new, quiet=imported)]


def _old_of(run: Run, goal: Goal) -> Resource | None:
    """The resource as it was, found by its URN or by one of its aliases."""
    new, tables = goal.new, run.tables
    if new.urn in tables.olds:
        return tables.olds[new.urn]
    for alias in aliases.candidates(run, new, goal.aliases):
        if alias == new.urn or alias not in tables.olds:
            continue
        if alias in tables.seen or alias in tables.renamed_to:
            raise EngineError(f"duplicate resource alias {alias} for {new.urn}")
        tables.renamed_to[alias], tables.renamed_from[new.urn] = new.urn, alias
        new.aliases = [alias]
        return tables.olds[alias]
    return None


def _is_import(old: Resource | None, new: Resource) -> bool:
    if not new.custom or not new.importID:
        return False
    return old is None or old.external or (old.importID or old.id) != new.importID


def _import(provider: Provider, new: Resource) -> Resource:
    """The resource ``importID`` as the provider finds it."""
    found = provider.read(new.urn, new.importID, {}, {})
    if not found.id:
        raise EngineError(f"resource '{new.importID}' does not exist")
    old = new.copy()
    old.id, old.inputs, old.outputs = found.id, found.inputs or {}, found.outputs
    old.created = new.created = now()
    return old


def _checked(provider: Provider, goal: Goal, olds: Properties, news: Properties) -> Properties:
    inputs, failures = provider.check(goal.new.urn, olds, news, goal.seed)
    if failures:
        raise EngineError(listed(_failure_text(goal.new, failure) for failure in failures))
    return inputs


def _failure_text(new: Resource, failure: Any) -> str:
    return f"{failure.property or new.type}: {failure.reason}"


def _difference(
    run: Run, goal: Goal, old: Resource, inputs: Properties, provider: Provider | None
) -> Diff:
    new, replacing = goal.new, run.tables.replacing
    if replacing & {*new.replaceWith}:
        return Diff(True, ["replaceWith"])
    if new.deletedWith in replacing:
        return Diff(True, ["deletedWith"])
    if _provider_changed(run, old, new):
        return Diff(True, ["provider"])
    if not provider:
        return Diff(changed=reveal(old.inputs) != reveal(inputs))
    return provider.diff(old, new.urn, inputs, new.ignoreChanges, False)


def _provider_changed(run: Run, old: Resource, new: Resource) -> bool:
    """Whether another provider stands behind the resource, one that cannot take it over."""
    if old.provider == new.provider:
        return False
    if not (old.provider and new.provider):
        return True
    old_urn, _ = urns.split_reference(old.provider)
    new_urn, _ = urns.split_reference(new.provider)
    if run.tables.renamed_to.get(old_urn) == new_urn:
        return False
    was = next((r for r in run.state.old if r.urn == old_urn), None)
    now_is = run.state.find(new_urn)
    if not (was and now_is):
        return False
    return bool(run.providers.diff_across(was, now_is).replaces)


def _is_triggered(old: Resource, new: Resource) -> bool:
    """Whether what is to replace it has changed; what is unknown has."""
    if has_unknown(new.replacementTrigger):
        return True
    if old.replacementTrigger is None or new.replacementTrigger is None:
        return False
    return bool(reveal(old.replacementTrigger) != reveal(new.replacementTrigger))


def _replace(
    run: Run, goal: Goal, old: Resource, provider: Provider | None, diff: Diff
) -> list[Step]:
    new, tables = goal.new, run.tables
    if new.protect and old.protect:
        raise EngineError(
            f"unable to replace resource {new.urn} — it is protected — set protect to False in "
            "the program first"
        )
    if new.importID:
        raise EngineError(
            "previously-imported resources that still specify an ID may not be replaced — remove "
            f"the import option of {new.urn}"
        )
    tables.decide(new.urn, "replace")
    tables.replacing.add(new.urn)
    if provider:  # defaults must not be carried over from the resource that goes
        new.inputs = _checked(provider, goal, {}, goal.inputs)
    delete_first = diff.delete_first if goal.delete_first is None else goal.delete_first
    if not delete_first:
        create = Create(new, "create-replacement", old, old_stays=True)
        return [create, Note("replace", new.urn)]
    steps = _delete_dependents(run, new, old)
    if not old.pendingReplacement:
        tables.deleting.add(old.urn)
        steps.append(Delete(old, "delete-replaced", remains=True))
    return [*steps, Note("replace", new.urn), Create(new, "create-replacement", old)]


def _delete_dependents(run: Run, new: Resource, old: Resource) -> list[Step]:
    """Deletes for all that must go before ``old`` can go, in reverse order of dependency."""
    tables = run.tables
    steps: list[Step] = []
    for resource in reversed(dependents(run, old)):
        if id(resource) in tables.predeleted:
            continue
        if resource.protect and not resource.delete:
            raise EngineError(
                f"unable to replace resource {resource.urn} as part of replacing {new.urn} — it "
                "is protected — set protect to False in the program first"
            )
        tables.deleting.add(resource.urn)
        tables.predeleted.add(id(resource))
        steps.append(Delete(resource, "delete-replaced", remains=not resource.delete))
    return steps
