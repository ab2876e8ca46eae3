"""What else must be replaced when a resource has to be deleted before it is made anew.

Source: ``calculateDependentReplacements`` in ``pkg/resource/deploy/step_generator.go``.
"""

from collections.abc import Sequence

from lab.engine import paths, urns
from lab.engine.providers import Diff
from lab.engine.resources import Resource
from lab.engine.run import Run
from lab.engine.values import UNKNOWN


def replace_on_changes(diff: Diff, wanted: Sequence[str], unhealthy: bool) -> None:
    """Turn changes at the paths of replaceOnChanges into replacements."""
    outer = [paths.parse(text) for text in wanted]
    if diff.changed:
        for key in diff.changes:
            if any(paths.contains(path, paths.parse(key)) for path in outer):
                diff.replaces.append(key)
    if unhealthy and any(path in (["#initerror"], ["*"]) for path in outer):
        diff.changed = True
        diff.replaces.append("#initerror")


def dependents(run: Run, root: Resource) -> list[Resource]:
    """Old resources that go with ``root``, in order of dependency.

    Of all that depend on it, those whose provider would replace them if what they take from a
    replaced resource became unknown.
    """
    old = run.state.old
    later = old[old.index(root) + 1 :] if root in old else []
    reached, condemned = {root.urn}, {root.urn}
    result = []
    for resource in later:
        already_decided = resource.urn in run.tables.operations
        if already_decided or not resource.dependency_urns(parent=False) & reached:
            continue
        reached.add(resource.urn)
        if _must_go(run, resource, condemned):
            condemned.add(resource.urn)
            result.append(resource)
    return result


def _must_go(run: Run, resource: Resource, condemned: set[str]) -> bool:
    if not resource.custom or resource.external:
        return False
    if resource.provider and urns.split_reference(resource.provider)[0] in condemned:
        run.providers.ensure(resource.provider)  # its old settings are what deletes it
        return True
    if resource.deletedWith in condemned or condemned & {*resource.replaceWith}:
        return True
    touched = {
        key for key in resource.inputs if condemned & {*resource.propertyDependencies.get(key, [])}
    }
    return bool(touched) and _would_be_replaced(run, resource, touched)


def _would_be_replaced(run: Run, resource: Resource, touched: set[str]) -> bool:
    provider = run.providers.of(resource)
    if provider is None:
        return False
    if resource.is_provider:
        run.providers.ensure(resource.reference)
    news = {k: UNKNOWN if k in touched else v for k, v in resource.inputs.items()}
    diff = provider.diff(resource, resource.urn, news, resource.ignoreChanges, True)
    replace_on_changes(diff, resource.replaceOnChanges, False)
    return bool(diff.replaces)
