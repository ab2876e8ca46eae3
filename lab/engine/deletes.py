"""Deleting what the program no longer wants, or all of it, in reverse order of dependency."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from lab.engine.errors import EngineError
from lab.engine.resources import Resource
from lab.engine.run import Run
from lab.engine.steps import Delete, Forget

_Leaving = Delete | Forget


def delete_unwanted(run: Run) -> None:
    """After the program has registered all it wants: replaced and dropped resources go."""
    todo: list[_Leaving] = []
    tables = run.tables
    for resource in run.state.old:
        deleted_ahead = id(resource) in tables.predeleted and resource.urn not in tables.deleting
        if run.state.is_gone(resource) or deleted_ahead:
            continue
        kept = tables.is_kept(resource.urn) or resource.urn in tables.failed
        if resource.delete or not kept:
            tables.deleting.add(resource.urn)
            todo.append(_leaving(resource))
    delete_all(run, todo)


def delete_stack(run: Run) -> None:
    """Destroy: everything goes."""
    run.tables.deleting = {r.urn for r in run.state.old}
    delete_all(run, [_leaving(resource) for resource in run.state.old])


def _leaving(resource: Resource) -> _Leaving:
    if resource.delete:
        return Delete(resource, "delete-replaced")
    return Forget(resource) if resource.pendingReplacement else Delete(resource, "delete")


def delete_all(run: Run, steps: Sequence[_Leaving]) -> None:
    """Layer by layer, each layer in parallel; what a failed one depends on stays."""
    needs = _dependencies(run, steps)
    failed: set[int] = set()
    with ThreadPoolExecutor(run.parallel) as pool:
        for layer in reversed(_layers(steps, needs)):
            if run.cancelled.is_set():
                return
            for step in layer:
                if any(id(step.old) in needs[above] for above in failed):
                    failed.add(id(step.old))
            ready = [step for step in layer if id(step.old) not in failed]
            for step, ok in zip(ready, pool.map(lambda s: _delete(run, s), ready), strict=True):
                if not ok:
                    failed.add(id(step.old))


def _delete(run: Run, step: _Leaving) -> bool:
    if run.cancelled.is_set():
        return False
    try:
        step.execute(run)
    except EngineError as error:
        run.fail(str(error), step.old.urn)
        if not run.continue_on_error:
            run.cancelled.set()
        return False
    return True


def _layers(steps: Sequence[_Leaving], needs: dict[int, set[int]]) -> list[list[_Leaving]]:
    """Steps in order of dependency; those of one layer do not depend on each other."""
    left = {id(step.old): step for step in steps}
    layers = []
    while left:
        layer = [step for key, step in left.items() if not needs[key] & left.keys()]
        if not layer:
            raise EngineError(
                "engine bug: the resources to delete depend on each other in a circle"
            )
        layers.append(layer)
        for step in layer:
            del left[id(step.old)]
    return layers


def _dependencies(run: Run, steps: Sequence[_Leaving]) -> dict[int, set[int]]:
    """For each resource to delete the ids (of objects) of those it depends on, among them."""
    chosen = {id(step.old) for step in steps}
    everything = run.state.resources()
    place = {id(r): i for i, r in enumerate(everything)}
    by_urn: dict[str, list[Resource]] = {}
    children: dict[str, list[Resource]] = {}
    for resource in everything:
        by_urn.setdefault(resource.urn, []).append(resource)
        children.setdefault(resource.parent, []).append(resource)

    def below(urn: str) -> Iterator[Resource]:
        for child in children.get(urn, []):
            yield child
            yield from below(child.urn)

    def needed(resource: Resource) -> Iterator[Resource]:
        wanted = resource.dependency_urns(parent=False)
        for urn in wanted:
            for other in by_urn.get(urn, []):
                yield other
                if not other.custom:  # depending on a component is depending on what is in it
                    yield from below(urn)
        if resource.parent not in wanted:
            yield from by_urn.get(resource.parent, [])

    return {
        id(step.old): {
            id(other)
            for other in needed(step.old)
            if id(other) in chosen and place[id(other)] < place[id(step.old)]
        }
        for step in steps
    }
