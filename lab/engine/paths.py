"""Property paths (``a.b[0]["c.d"].*``), as in ignoreChanges and replaceOnChanges.

Source of the form: ``sdk/go/common/resource/properties_path.go``.
"""

import copy
import re
from collections.abc import Iterable
from typing import TypeAlias

from lab.engine.values import Properties, Value, is_secret

Path: TypeAlias = list[str | int]

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[(\*)\]|\.?([^.\[]+)')


def parse(text: str) -> Path:
    """The path's steps: ``a.b[0]["c.d"].*`` gives ``["a", "b", 0, "c.d", "*"]``."""
    steps: Path = []
    for quoted, index, star, name in _STEP.findall(text):
        if index:
            steps.append(int(index))
        else:
            steps.append(quoted.replace('\\"', '"') if quoted else star or name)
    return steps


def contains(outer: Path, inner: Path) -> bool:
    """Whether ``inner`` is at or below ``outer``; ``*`` matches any one step."""
    return len(outer) <= len(inner) and all(
        a in ("*", b) for a, b in zip(outer, inner, strict=False)
    )


def keep_old(news: Properties, olds: Properties, ignored: Iterable[str]) -> Properties:
    """A copy of ``news`` with the old value at every ignored path (ignoreChanges)."""
    result = copy.deepcopy(news)
    for text in ignored:
        _reset(parse(text), olds, result)
    return result


def _reset(path: Path, old: Value, new: Value) -> None:
    old, new = (v["value"] if is_secret(v) else v for v in (old, new))
    if isinstance(new, dict) and isinstance(old, dict):
        _reset_member(path, old, new)
    elif isinstance(new, list) and isinstance(old, list):
        _reset_item(path, old, new)


def _reset_member(path: Path, old: Properties, new: Properties) -> None:
    step, rest = path[0], path[1:]
    for key in {*old, *new} if step == "*" else {str(step)}:
        if rest:
            if key in old and key in new:
                _reset(rest, old[key], new[key])
        elif key in old:
            new[key] = copy.deepcopy(old[key])
        else:
            new.pop(key, None)


def _reset_item(path: Path, old: list[Value], new: list[Value]) -> None:
    step, rest = path[0], path[1:]
    for index in range(len(new)) if step == "*" else [step]:
        if not isinstance(index, int) or index >= min(len(new), len(old)):
            continue
        if rest:
            _reset(rest, old[index], new[index])
        else:
            new[index] = copy.deepcopy(old[index])
