"""``pulumi.com/waitFor``: conditions that a program names itself.

Forms: ``condition=<Type>[=<Status>]`` and ``jsonpath={.path}[=<value>]``, or a JSON list of them
(https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/).
"""

import json
import re
from typing import Any

from lab.plugins.kubernetes.api import Api, Object
from lab.plugins.kubernetes.readiness import Rule, conditions, told

_CONDITION = re.compile(r"condition=(?P<type>[^=]+)(?:=(?P<status>.+))?\Z")
_JSONPATH = re.compile(r"jsonpath=\{?\.?(?P<path>[^{}=]+?)\}?(?:=(?P<value>.*))?\Z")
_STEP = re.compile(r"\.?((?:\\.|[^.\[\]\\*?@$()'\"])+)|\[(\d+)\]|\['([^']+)'\]")


class WaitForError(Exception):
    """The annotation's text cannot be understood."""


def parse(text: str) -> Rule:
    """What is missing, by the annotation. Raises ``WaitForError``."""
    try:
        expressions = json.loads(text)
    except ValueError:
        expressions = [text]
    if not isinstance(expressions, list) or not expressions:
        raise WaitForError(f"{text!r} — write an expression, or a JSON list of them")
    checks = [_expression(str(expression)) for expression in expressions]

    async def missing(_api: Api, found: Object) -> list[str]:
        return [words for check in checks if (words := check(found))]

    return missing


def _expression(text: str) -> Any:
    if match := _CONDITION.match(text):
        return lambda found: _condition(found, match["type"], match["status"] or "True")
    if match := _JSONPATH.match(text):
        steps, value = _steps(match["path"], text), match["value"]
        return lambda found: _path(found, text, steps, value)
    raise WaitForError(
        f"{text!r} — write condition=<Type>[=<Status>] or jsonpath={{.path}}[=value]"
    )


def _condition(found: Object, kind: str, status: str) -> str:
    condition = conditions(found).get(kind)
    if condition is None:
        return f"no condition {kind} yet"
    return "" if condition.get("status") == status else told(condition)


def _steps(path: str, text: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if not match:
            raise WaitForError(f"{text!r} — the lab's plugin knows .names and [numbers] alone")
        name, index, quoted = match.groups()
        steps.append(int(index) if index else quoted or name.replace("\\", ""))
        position = match.end()
    return steps


def _path(found: Object, text: str, steps: list[str | int], value: str | None) -> str:
    here: Any = found
    for step in steps:
        if isinstance(step, int):
            here = here[step] if isinstance(here, list) and step < len(here) else None
        else:
            here = here.get(step) if isinstance(here, dict) else None
    shown = here if isinstance(here, str) else json.dumps(here)
    if here is not None and value in (None, shown):
        return ""
    return f"{text} does not hold: " + ("nothing is there" if here is None else f"it is {shown}")
