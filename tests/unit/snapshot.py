"""What a stack registers, as text that people review: `python -m tests.unit.snapshot --write`.

Two YAML files a stack under `snapshots/`: all resources, by type and name, with what a reviewer
asks of one; and who reaches which port of what, worked out from them.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.unit import readable, recordings
from tests.unit.reachability import world
from tests.unit.reachability.table import table
from tests.unit.recorder import Recording
from tests.unit.stackfiles import ROOT

STACKS = ("staging", "production", "hybrid")
COMMAND = "python -m tests.unit.snapshot --write"
_FOLDER = Path(__file__).parent / "snapshots"
_RESOURCES = f"""\
# What stack {{stack}} registers, by type and name; written by `{COMMAND}`.
# `KEY (secret)` is a secret input; «name» in it is a secret value, by what it comes from.
# «file.sh» is the text of a script. A long value that another resource of the type has too, or has
# but for its node's name, stands once; the others say whose it is.
"""
_REACHABILITY = f"""\
# Who reaches which ports of what in stack {{stack}}, as the recorded rules of clouds and hosts have
# it, by destination and then by source; written by `{COMMAND}`.
"""


def resources(stack: str) -> str:
    """The snapshot of what the stack registers today."""
    return rendered(stack, recordings.of(stack))


def reachability(stack: str) -> str:
    """The snapshot of who reaches what today."""
    made = table(world.of_stack(stack))
    parts = (readable.dumped({to: sources}) for to, sources in made.items())
    return _REACHABILITY.format(stack=stack) + "".join(f"\n{part}" for part in parts)


# What is held of a stack, by the ending of its file.
KINDS: Mapping[str, Callable[[str], str]] = {
    ".yaml": resources,
    ".reachability.yaml": reachability,
}


def rendered(stack: str, recording: Recording) -> str:
    """The snapshot of a recording."""
    types: dict[str, dict[str, Any]] = {}
    for made in sorted(recording.registrations, key=lambda r: (r.type, readable.natural(r.name))):
        types.setdefault(made.type, {})[made.name] = readable.shown(made)
    for of_one_type in types.values():
        _fold_repeats(of_one_type, [node["name"] for node in recording.outputs["nodes"]])
    parts = [{"outputs": _outputs(recording)}, *({token: made} for token, made in types.items())]
    return _RESOURCES.format(stack=stack) + "".join(f"\n{readable.dumped(p)}" for p in parts)


def differences(stack: str) -> Iterator[tuple[Path, str, str]]:
    """Of each file that no longer holds: the file, what it should be, and a unified diff."""
    for ending, today in KINDS.items():
        file, now = _FOLDER / f"{stack}{ending}", today(stack)
        held = file.read_text() if file.exists() else ""
        name = str(file.relative_to(ROOT))
        lines = difflib.unified_diff(
            held.splitlines(), now.splitlines(), f"{name} (held)", f"{name} (now)", lineterm=""
        )
        if held != now:
            yield file, now, "\n".join(lines)


def _fold_repeats(made: dict[str, dict[str, Any]], nodes: list[str]) -> None:
    """A long value that an earlier resource has too, but for its node's name, is told by that."""
    first: dict[str, str] = {}
    for name, resource in made.items():
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
        readable.labelled(key, key in hidden): "secret"
        if key in hidden
        else readable.value_of(value)
        for key, value in sorted(recording.outputs.items())
    }


def main(arguments: list[str]) -> int:
    """Without --write, print what differs and give 1 if anything does."""
    parser = argparse.ArgumentParser(prog="python -m tests.unit.snapshot", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the snapshots")
    parser.add_argument("stacks", nargs="*", default=STACKS, help=f"of {', '.join(STACKS)}")
    chosen = parser.parse_args(arguments)
    found = [change for stack in chosen.stacks for change in differences(stack)]
    for file, now, difference in found:
        print(difference)
        if chosen.write:
            file.write_text(now)
    return int(bool(found) and not chosen.write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
