"""A registration as people read it: scripts by their names, documents as what they say, no secrets.

A changed script changes nothing here; what is secret says so, and is named by where it comes from.
"""

import json
import re
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from tests.unit.recorder import CA_HASH, Registration, Secret
from tests.unit.stackfiles import ROOT

_SCRIPT = re.compile(r"«([\w./-]+\.sh)»")


def shown(resource: Registration) -> dict[str, Any]:
    """What a reviewer asks of a resource; what does not hold is left out."""
    request = resource.request
    facts = {
        "parent": resource.parent,
        "inputs": _inputs(resource),
        "dependencies": sorted(resource.dependencies, key=natural),
        "protect": request.protect,
        "ignoreChanges": list(request.ignoreChanges),
        "replaceOnChanges": list(request.replaceOnChanges),
        "replacementTrigger": _trigger(request),
        "deleteBeforeReplace": request.deleteBeforeReplace,
        "deletedWith": _last(request.deletedWith),
        "retainOnDelete": request.retainOnDelete,
        "additionalSecretOutputs": sorted(request.additionalSecretOutputs),
        "customTimeouts": _timeouts(request.customTimeouts),
        "provider": _provider(request.provider),
        "aliases": [alias.urn or alias.spec.name for alias in request.aliases],
    }
    return {key: value for key, value in facts.items() if value}


def _inputs(resource: Registration) -> dict[str, Any]:
    """The inputs, keys in order; a component's are its children's."""
    return {
        labelled(key, isinstance(value, Secret)): value_of(value)
        for key, value in sorted(resource.marked.items())
    }


def labelled(name: str, secret: bool) -> str:
    """A key, and whether what it holds is secret."""
    return f"{name} (secret)" if secret else name


def value_of(value: Any) -> Any:
    """A recorded value: secrets that tell nothing as `secret`, whole numbers as such."""
    if isinstance(value, Secret):
        told = value_of(value.value)
        return told if _tells_something(told) else "secret"
    if isinstance(value, Mapping):
        return {
            labelled(key, isinstance(item, Secret)): value_of(item)
            for key, item in sorted(value.items())
        }
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _text(value) if isinstance(value, str) else value


def _tells_something(told: Any) -> bool:
    """A whole script or a document is told with its secrets masked; a mere secret is not."""
    return not isinstance(told, str) or "\n" in told or "«" in told


def _text(value: str) -> Any:
    """Scripts by their names, documents as they are read, secrets by what they come from."""
    if value.startswith("#cloud-config\n"):
        return value_of(yaml.safe_load(value))
    if value.startswith("{"):
        return value_of(json.loads(value))
    folded = _masked(value.removeprefix("#!/bin/sh\n") if "\nunset " in value else value)
    for name, script in _scripts():
        folded = folded.replace(script, f"«{name}»\n")
    first = _SCRIPT.search(folded)
    if not (folded.startswith("unset ") and first):
        return folded
    return {
        "variables": _variables(folded[: first.start()]),
        "scripts": _SCRIPT.findall(folded),
    }


def _variables(assignments: str) -> dict[str, Any]:
    """`unset A B` and then `A=…` lines, as components.scripts writes them."""
    words = shlex.split(assignments)
    pairs = [word.partition("=") for word in words if "=" in word]
    return {name: value for name, _, value in pairs}


def _masked(value: str) -> str:
    """The recorder's secret values, each by the resource that it comes from."""
    value = re.sub(r"PRIVATE ([\w-]+)", r"«\1»", value)
    value = re.sub(r"([\w-]+)-made-by-the-stack", r"«\1»", value)
    return value.replace(CA_HASH, "«CA hash»")


@cache
def _scripts() -> tuple[tuple[str, str], ...]:
    """Every script of the program by its path, the longest text first."""
    files = sorted((ROOT / "components").rglob("*.sh"))
    texts = [(str(file.relative_to(ROOT / "components")), file.read_text()) for file in files]
    return tuple(sorted(texts, key=lambda item: -len(item[1])))


def _trigger(request: Any) -> str:
    """What it is made anew with, when that changes."""
    return str(request.replacement_trigger.string_value)


def _timeouts(timeouts: Any) -> dict[str, str]:
    given = {name: getattr(timeouts, name) for name in ("create", "update", "delete")}
    return {name: value for name, value in given.items() if value}


def _provider(reference: str) -> str:
    """An explicit provider's name; the default one is not said."""
    return "" if not reference else reference.split("::")[-2]


def _last(urn: str) -> str:
    return urn.split("::")[-1]


def natural(name: str) -> list[tuple[int, str]]:
    """agent-2 before agent-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, short collections on one line, nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    # With a tab in it, YAML has no block for a text.
    text = value.replace("\t", "  ")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=_is_short(value))


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.MappingNode:
    return dumper.represent_mapping(
        "tag:yaml.org,2002:map", value.items(), flow_style=_is_short(value)
    )


def _is_short(value: list[Any] | dict[str, Any]) -> bool:
    """Fits a line: a longer one has a line for each item, so that a diff shows the item."""
    items = value.values() if isinstance(value, dict) else value
    plain = not any(isinstance(item, (dict, list)) or "\n" in str(item) for item in items)
    return plain and len(str(value)) <= 80


_Dumper.add_representer(str, _string)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _mapping)


def dumped(value: Any) -> str:
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
