"""The old URNs by which a renamed, retyped or moved resource may be known.

Source: ``generateAliases`` and ``inheritedChildAlias`` in
``pkg/resource/deploy/step_generator.go``.
"""

from collections.abc import Sequence

from pulumi.runtime.proto import alias_pb2

from lab.engine import urns
from lab.engine.resources import Resource
from lab.engine.run import Run


def candidates(run: Run, new: Resource, aliases: Sequence[alias_pb2.Alias]) -> list[str]:
    """Every URN that ``new`` may have had, the ones through its parent's aliases included."""
    name = urns.name_of(new.urn)
    own = [_urn_of(run, new, name, alias) for alias in aliases]
    if new.parent not in run.tables.renamed_from:
        return own
    inherited = [_below_old_parent(run, new.parent, new.type, name)]
    for urn in own:
        old_type, old_name = urns.type_of(urn), urns.name_of(urn)
        inherited.append(_below_old_parent(run, new.parent, old_type, old_name))
    return own + inherited


def _urn_of(run: Run, new: Resource, name: str, alias: alias_pb2.Alias) -> str:
    if alias.WhichOneof("alias") == "urn":
        return alias.urn
    spec = alias.spec
    parent = new.parent
    if spec.noParent:
        parent = ""
    elif spec.WhichOneof("parent") == "parentUrn" and spec.parentUrn:
        parent = run.tables.renamed_from.get(spec.parentUrn, spec.parentUrn)
    return urns.make(
        spec.stack or run.stack,
        spec.project or run.project,
        parent,
        spec.type or new.type,
        spec.name or name,
    )


def _below_old_parent(run: Run, parent: str, type_: str, name: str) -> str:
    """A child whose name starts with its parent's was renamed together with it."""
    old_parent = run.tables.renamed_from[parent]
    parent_name = urns.name_of(parent)
    if name.startswith(parent_name):
        name = urns.name_of(old_parent) + name.removeprefix(parent_name)
    return urns.make(run.stack, run.project, old_parent, type_, name)
