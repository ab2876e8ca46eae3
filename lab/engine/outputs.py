"""The stack's outputs as text or JSON."""

import json
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from lab.engine import urns
from lab.engine.resources import Resource
from lab.engine.state import State
from lab.engine.values import Properties, Value, is_secret, reveal

_MASK = "[secret]"


def of_stack(state: State) -> Properties:
    """The outputs of the stack; empty when it has none."""
    return of_resources(state.resources())


def of_resources(resources: Iterable[Resource]) -> Properties:
    """The outputs of the stack whose resources these are."""
    for resource in resources:
        if resource.type == urns.STACK_TYPE and not resource.delete:
            return resource.outputs
    return {}


def shown(value: Value, show_secrets: bool) -> Value:
    """The value as it may be shown."""
    if show_secrets:
        return reveal(value)
    if is_secret(value):
        return _MASK
    if isinstance(value, dict):
        return {k: shown(v, False) for k, v in value.items()}
    return [shown(v, False) for v in value] if isinstance(value, list) else value


def print_json(outputs: Properties, show_secrets: bool) -> None:
    """The shape of ``pulumi stack output --json``."""
    print(json.dumps(shown(outputs, show_secrets), indent=2, sort_keys=True, ensure_ascii=False))


def print_table(outputs: Properties, show_secrets: bool) -> None:
    """Two columns: name and value; a structured value as JSON."""
    table = Table("output", "value", box=None, pad_edge=False)
    for name, value in sorted(outputs.items()):
        seen = shown(value, show_secrets)
        text = seen if isinstance(seen, str) else json.dumps(seen, ensure_ascii=False)
        table.add_row(name, text)
    Console(markup=False, highlight=False, soft_wrap=True).print(table)
