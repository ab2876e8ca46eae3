"""Bring the state up to what the providers find."""

from concurrent.futures import ThreadPoolExecutor

from lab.engine.errors import EngineError
from lab.engine.resources import Resource, now
from lab.engine.run import Run
from lab.engine.values import secret_strings


def refresh(run: Run) -> None:
    """Read every resource; what is gone leaves the state, what differs is taken over.

    A resource that cannot be read stays as it was, and the run fails.
    """
    with ThreadPoolExecutor(run.parallel) as pool:
        found = list(pool.map(lambda r: _refresh_one(run, r), run.state.old))
    kept = [resource for resource in found if resource]
    _cut_loose_ends(kept, {r.urn: r.parent for r in run.state.old})
    run.state.replace_old(kept)


def _refresh_one(run: Run, resource: Resource) -> Resource | None:
    if run.cancelled.is_set():
        return resource
    run.events.hide(secret_strings([resource.inputs, resource.outputs]))
    run.events.began("refresh", resource.urn)
    try:
        found = _read(run, resource)
    except EngineError as error:
        run.events.ended("refresh", resource.urn, False)
        run.fail(str(error), resource.urn)
        return resource
    run.events.ended("refresh", resource.urn, True)
    if found is None:
        run.events.noted("refreshed-delete", resource.urn)
    elif (found.inputs, found.outputs) != (resource.inputs, resource.outputs):
        found.modified = now()
        run.events.noted("refreshed-update", resource.urn)
    return found


def _read(run: Run, resource: Resource) -> Resource | None:
    if not resource.custom or resource.is_provider or resource.pendingReplacement:
        return resource
    provider = run.providers.ensure(resource.provider)
    found = provider.read(resource.urn, resource.id, resource.inputs, resource.outputs)
    if not found.id:
        return None
    fresh = resource.copy()
    fresh.id, fresh.outputs, fresh.initErrors = found.id, found.outputs, found.init_errors
    if found.inputs is not None:
        fresh.inputs = found.inputs
    fresh.hide_additional_secrets()
    return fresh


def _cut_loose_ends(kept: list[Resource], parents: dict[str, str]) -> None:
    """Drop references to what has left; its children go to the parent that it had."""
    have = {r.urn for r in kept}
    for resource in kept:
        while resource.parent and resource.parent not in have:
            resource.parent = parents[resource.parent]
        resource.dependencies = [u for u in resource.dependencies if u in have]
        resource.replaceWith = [u for u in resource.replaceWith if u in have]
        resource.propertyDependencies = {
            key: [u for u in listed if u in have]
            for key, listed in resource.propertyDependencies.items()
        }
        if resource.deletedWith not in have:
            resource.deletedWith = ""
