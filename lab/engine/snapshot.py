"""Rules that every written list of resources obeys.

Source: ``NormalizeURNReferences`` in ``sdk/go/common/apitype/core.go`` and
``pkg/resource/stack/snapshot/integrity.go``.
"""

from typing import Any

from lab.engine import urns
from lab.engine.errors import EngineError


def normalize(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rewrite references to a renamed resource, once it is in the list under its new URN.

    Its old URNs are its ``aliases``, which are then no longer needed and left out.
    """
    renamed: dict[str, str] = {}
    for resource in resources:
        for alias in resource.get("aliases", []):
            renamed[alias] = resource["urn"]
        parent = renamed.get(resource.get("parent", ""))
        if parent and urns.type_of(parent) != urns.STACK_TYPE:
            stack, project = resource["urn"].removeprefix("urn:pulumi:").split("::")[:2]
            name = urns.name_of(resource["urn"])
            moved = urns.make(stack, project, parent, resource["type"], name)
            renamed.setdefault(resource["urn"], moved)
    if not renamed:
        return resources
    return [_rewrite(resource, renamed) for resource in resources]


def _rewrite(resource: dict[str, Any], renamed: dict[str, str]) -> dict[str, Any]:
    def fix(urn: str) -> str:
        return renamed.get(urn, urn)

    result = {k: v for k, v in resource.items() if k != "aliases"}
    for key in ("urn", "parent", "deletedWith"):
        if result.get(key):
            result[key] = fix(result[key])
    for key in ("dependencies", "replaceWith"):
        if result.get(key):
            result[key] = [fix(urn) for urn in result[key]]
    if result.get("provider"):
        urn, id_ = urns.split_reference(result["provider"])
        result["provider"] = f"{fix(urn)}::{id_}"
    by_property = result.get("propertyDependencies")
    if by_property:
        result["propertyDependencies"] = {
            k: [fix(urn) for urn in listed] for k, listed in by_property.items()
        }
    return result


def verify(resources: list[dict[str, Any]]) -> None:
    """Every reference points to something earlier in the list, and no URN lives twice."""
    seen: set[str] = set()
    live: set[str] = set()
    for resource in resources:
        urn = resource["urn"]
        for needed in _references(resource):
            if needed not in seen:
                raise EngineError(
                    f"engine bug: the state is not written, as {urn} refers to {needed}, which "
                    "is missing or comes after it; the journal keeps what was done"
                )
        if not resource.get("delete"):
            if urn in live:
                raise EngineError(f"engine bug: the state would hold {urn} twice")
            live.add(urn)
        seen.add(urn)


def _references(resource: dict[str, Any]) -> set[str]:
    needed = {*resource.get("dependencies", ()), *resource.get("replaceWith", ())}
    for listed in resource.get("propertyDependencies", {}).values():
        needed.update(listed)
    for key in ("parent", "deletedWith"):
        if resource.get(key):
            needed.add(resource[key])
    if resource.get("provider"):
        needed.add(urns.split_reference(resource["provider"])[0])
    return needed
