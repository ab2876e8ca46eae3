"""When each step of an `up` was done, worked out of the state that it left.

Either engine notes in the state when a resource was there, and what it waited for. So a step began
when the last of what it waited for was there: waiting for a free hand counts as its own time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_COMPONENT = "k3s:addons:"
# What an add-on makes; its passwords are made long before there is a cluster.
_IN_CLUSTER = ("kubernetes:", "command:")


@dataclass(frozen=True)
class Span:
    """From when to when, in seconds since the epoch."""

    name: str
    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.begun


@dataclass(frozen=True, kw_only=True)
class Step(Span):
    """One resource; `needs` are the URNs of those it waited for, `addon` the key of its add-on."""

    urn: str
    type: str
    needs: frozenset[str]
    addon: str | None = None


def timestamp(text: str) -> float:
    """Seconds since the epoch of a time in the form of RFC 3339."""
    return datetime.fromisoformat(text).timestamp()


def steps(deployment: Mapping[str, Any], stack: str) -> dict[str, Step]:
    """The resources that were made, by URN. Needs them all to be of one `up`."""
    resources = {resource["urn"]: resource for resource in deployment.get("resources", ())}
    done = {u: timestamp(r["created"]) for u, r in resources.items() if r.get("created")}
    found = {}
    for urn in (urn for urn in done if resources[urn].get("custom")):
        resource = resources[urn]
        needs = frozenset(_needs(resource) & {u for u in done if resources[u].get("custom")})
        found[urn] = Step(
            name=_name(urn).removeprefix(f"{stack}-"),
            begun=max((done[need] for need in needs), default=min(done.values())),
            ended=done[urn],
            urn=urn,
            type=resource["type"],
            needs=needs,
            addon=_addon(resource, resources, stack),
        )
    return found


def addons(found: Mapping[str, Step]) -> list[Span]:
    """Each add-on, from its first object in the cluster to its last, by when they began."""
    spans = []
    for key in sorted({step.addon for step in found.values() if step.addon}):
        mine = [s for s in found.values() if s.addon == key and s.type.startswith(_IN_CLUSTER)]
        begun = (step.begun for step in mine if step.type.startswith(_IN_CLUSTER[0]))
        spans.append(Span(key, min(begun), max(step.ended for step in mine)))
    return sorted(spans, key=lambda span: (span.begun, span.ended))


def parallel(spans: Sequence[Span]) -> float:
    """How many were under way at once, on average: their seconds by those that all took."""
    took = max(span.ended for span in spans) - min(span.begun for span in spans)
    return sum(span.seconds for span in spans) / took if took else 1.0


def critical_path(found: Mapping[str, Step], *, addons: bool) -> list[Step]:
    """What the end waited for: before each step the one that it waited for last.

    Up to the last node's registration, or with `addons` to the last of everything.
    """
    ends = [step for step in found.values() if addons or step.addon is None]
    path: list[Step] = []
    last: Step | None = max(ends, key=lambda step: step.ended, default=None)
    while last is not None:
        path.insert(0, last)
        last = max((found[n] for n in last.needs), key=lambda step: step.ended, default=None)
    return path


def _needs(resource: Mapping[str, Any]) -> set[str]:
    """What must be there before a resource, its provider among them."""
    needs = {*resource.get("dependencies", ())}
    for listed in resource.get("propertyDependencies", {}).values():
        needs.update(listed or ())
    if provider := resource.get("provider"):
        needs.add(provider.rpartition("::")[0])
    return needs


def _addon(
    resource: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]], stack: str
) -> str | None:
    """The key of the add-on that a resource is a part of."""
    parent = resources.get(resource.get("parent", ""))
    if parent is None:
        return None
    if parent["type"].startswith(_COMPONENT):
        return _name(parent["urn"]).removeprefix(f"{stack}-")
    return _addon(parent, resources, stack)


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
