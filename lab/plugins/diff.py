"""Which properties differ between two sets of inputs, path by path.

As Pulumi's engine does it (``PropertyMap.Diff`` and ``NewDetailedDiffFromObjectDiff`` in
``sdk/go/common/resource``): objects and lists are entered, everything else, secrets included,
differs as a whole; assets and archives differ by content.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from pulumi.runtime.proto import provider_pb2

from lab.engine.values import ARCHIVE, ASSET, Properties, Value, is_secret, reveal, signature

Kind: TypeAlias = provider_pb2.PropertyDiff.Kind.ValueType
_KIND = provider_pb2.PropertyDiff.Kind
REPLACING: Mapping[Kind, Kind] = {
    _KIND.ADD: _KIND.ADD_REPLACE,
    _KIND.DELETE: _KIND.DELETE_REPLACE,
    _KIND.UPDATE: _KIND.UPDATE_REPLACE,
}
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def same(old: Value, new: Value) -> bool:
    """Whether two values are equal; two files are when their content is.

    Both are secret or neither. Marks within a secret say nothing more, and engines differ in
    whether they keep them in the state.
    """
    if is_secret(old) and is_secret(new):
        return same(reveal(old), reveal(new))
    if signature(old) in (ASSET, ARCHIVE) and signature(old) == signature(new):
        return bool(old.get("hash")) and old.get("hash") == new.get("hash")
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(old[k], new[k]) for k in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    return isinstance(old, bool) == isinstance(new, bool) and bool(old == new)


def differences(old: Value, new: Value, path: str = "") -> Iterator[tuple[str, Kind]]:
    """The paths that were added, deleted or updated between two values."""
    if _is_object(old) and _is_object(new):
        for key in sorted(old.keys() | new.keys()):
            yield from _member(old.get(key), new.get(key), _join(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (v[index] if index < len(v) else None for v in (old, new))
            yield from _member(before, after, f"{path}[{index}]")
    elif not same(old, new):
        yield path, _KIND.UPDATE


def _member(old: Value, new: Value, path: str) -> Iterator[tuple[str, Kind]]:
    if old is None and new is None:
        return
    if old is None:
        yield path, _KIND.ADD
    elif new is None:
        yield path, _KIND.DELETE
    else:
        yield from differences(old, new, path)


def _is_object(value: Value) -> bool:
    return isinstance(value, dict) and signature(value) is None


def _join(path: str, key: str) -> str:
    if not _SIMPLE_KEY.match(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _given(properties: Properties) -> Properties:
    """Without what engine and providers note down for themselves."""
    return {k: v for k, v in properties.items() if k != "version" and not k.startswith("__")}


def response(
    old: Properties, new: Properties, replaces: Callable[[str], bool]
) -> provider_pb2.DiffResponse:
    """The answer to the engine; ``replaces`` says it of the name of a top-level property."""
    detailed: dict[str, provider_pb2.PropertyDiff] = {}
    replaced: list[str] = []
    old, new = (_given(properties) for properties in (old, new))
    for path, kind in differences(old, new):
        if replaces(re.split(r"[.\[]", path, maxsplit=1)[0]):
            kind = REPLACING[kind]
            replaced.append(path)
        detailed[path] = provider_pb2.PropertyDiff(kind=kind)
    changes = (
        provider_pb2.DiffResponse.DIFF_SOME if detailed else provider_pb2.DiffResponse.DIFF_NONE
    )
    return provider_pb2.DiffResponse(
        changes=changes,
        diffs=list(detailed),
        replaces=replaced,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )
