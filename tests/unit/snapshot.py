"""What a stack registers, as text that people review: `python -m tests.unit.snapshot --write`.

One YAML file a stack under `snapshots/`: type, then name, then what a reviewer asks of a resource.
Shell scripts stand in it by their file names, so that a changed script does not change it; what is
secret says so, and is named by where it comes from.
"""

import argparse
import difflib
import json
import re
import shlex
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.unit import recordings
from tests.unit.recorder import CA_HASH, Recording, Registration, Secret
from tests.unit.stackfiles import ROOT

STACKS = ("staging", "production", "hybrid")
COMMAND = "python -m tests.unit.snapshot --write"
_FOLDER = Path(__file__).parent / "snapshots"
_SCRIPT = re.compile(r"«([\w./-]+\.sh)»")
_HEADER = f"""\
# What stack {{stack}} registers, by type and name; written by `{COMMAND}`.
# `KEY (secret)` is a secret input; «name» in it is a secret value, by what it comes from.
# «file.sh» is the text of a script. A long value that another resource of the type has too, or has
# but for its node's name, stands once; the others say whose it is.
"""


def path(stack: str) -> Path:
    """The file that holds a stack's snapshot."""
    return _FOLDER / f"{stack}.yaml"


def text(stack: str) -> str:
    """The snapshot of what the stack registers today."""
    return rendered(stack, recordings.of(stack))


def rendered(stack: str, recording: Recording) -> str:
    """The snapshot of a recording."""
    types: dict[str, dict[str, Any]] = {}
    for resource in sorted(recording.registrations, key=lambda r: (r.type, _natural(r.name))):
        types.setdefault(resource.type, {})[resource.name] = shown(resource)
    for of_one_type in types.values():
        _fold_repeats(of_one_type, [node["name"] for node in recording.outputs["nodes"]])
    parts = [{"outputs": _outputs(recording)}, *({token: made} for token, made in types.items())]
    return _HEADER.format(stack=stack) + "".join("\n" + dumped(part) for part in parts)


def difference(stack: str, now: str) -> str:
    """A unified diff from the snapshot to what is registered now; empty where they agree."""
    file = path(stack)
    held = file.read_text() if file.exists() else ""
    name = str(file.relative_to(ROOT))
    lines = difflib.unified_diff(
        held.splitlines(),
        now.splitlines(),
        f"{name} (held)",
        f"{name} (registered now)",
        lineterm="",
    )
    return "\n".join(lines)


def shown(resource: Registration) -> dict[str, Any]:
    """What a reviewer asks of a resource; what does not hold is left out."""
    request = resource.request
    facts = {
        "parent": resource.parent,
        "inputs": _inputs(resource),
        "dependencies": sorted(resource.dependencies, key=_natural),
        "protect": request.protect,
        "ignoreChanges": list(request.ignoreChanges),
        "replaceOnChanges": list(request.replaceOnChanges),
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
        _key(key, isinstance(value, Secret)): _value(value)
        for key, value in sorted(resource.marked.items())
    }


def _key(name: str, secret: bool) -> str:
    return f"{name} (secret)" if secret else name


def _value(value: Any) -> Any:
    if isinstance(value, Secret):
        told = _value(value.value)
        return told if _tells_something(told) else "secret"
    if isinstance(value, Mapping):
        return {
            _key(key, isinstance(item, Secret)): _value(item) for key, item in sorted(value.items())
        }
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _text(value) if isinstance(value, str) else value


def _tells_something(told: Any) -> bool:
    """A whole script or a document is told with its secrets masked; a mere secret is not."""
    return not isinstance(told, str) or "\n" in told or "«" in told


def _text(value: str) -> Any:
    """Scripts by their names, documents as they are read, secrets by what they come from."""
    if value.startswith("#cloud-config\n"):
        return _value(yaml.safe_load(value))
    if value.startswith("{"):
        return _value(json.loads(value))
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


def _fold_repeats(resources: dict[str, dict[str, Any]], nodes: list[str]) -> None:
    """A long value that an earlier resource has too, but for its node's name, is told by that."""
    first: dict[str, str] = {}
    for name, resource in resources.items():
        node = _node_of(name, nodes)
        for key, value in resource.get("inputs", {}).items():
            if not _is_long(value):
                continue
            same = first.setdefault(f"{key}: {value}", name)
            alike = first.setdefault(_without(node, f"{key}: {value}"), name)
            if same != name:
                resource["inputs"][key] = f"as {same}"
            elif alike != name:
                resource["inputs"][key] = f"as {alike}, but for the node's name"


def _node_of(name: str, nodes: list[str]) -> str:
    """The node that a resource belongs to by its name, or the resource itself."""
    owners = [node for node in nodes if name == node or name.startswith(f"{node}-")]
    return max(owners, key=len, default=name)


def _without(node: str, text: str) -> str:
    return re.sub(rf"(?<![\w-]){re.escape(node)}(?!\w)", "«node»", text)


def _is_long(value: Any) -> bool:
    return len(str(value)) > 150


def _outputs(recording: Recording) -> dict[str, Any]:
    hidden = recording.secret_outputs
    return {
        _key(key, key in hidden): "secret" if key in hidden else _value(value)
        for key, value in sorted(recording.outputs.items())
    }


def _timeouts(timeouts: Any) -> dict[str, str]:
    given = {name: getattr(timeouts, name) for name in ("create", "update", "delete")}
    return {name: value for name, value in given.items() if value}


def _provider(reference: str) -> str:
    """An explicit provider's name; the default one is not said."""
    return "" if not reference else reference.split("::")[-2]


def _last(urn: str) -> str:
    return urn.split("::")[-1]


def _natural(name: str) -> list[tuple[int, str]]:
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


def main(arguments: list[str]) -> int:
    """Without --write, print what differs and give 1 if anything does."""
    parser = argparse.ArgumentParser(prog="python -m tests.unit.snapshot", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the snapshots")
    parser.add_argument("stacks", nargs="*", default=STACKS, help=f"of {', '.join(STACKS)}")
    chosen = parser.parse_args(arguments)
    differs = False
    for stack in chosen.stacks:
        now = text(stack)
        if difference(stack, now):
            differs = True
            print(difference(stack, now))
        if chosen.write:
            path(stack).write_text(now)
    return int(differs and not chosen.write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
