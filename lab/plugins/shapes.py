"""The shapes that property values may have, and what is wrong with a value that has another."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lab.engine.values import ARCHIVE, ASSET, SECRET, UNKNOWN, Value, signature

Problem = tuple[str, str]
"""(path of the property, what is wrong and what to write); never the value itself."""


class Shape(Protocol):
    """What a property takes."""

    def describe(self) -> str: ...

    def problems(self, path: str, value: Value) -> Iterator[Problem]: ...


def bare(value: Value) -> Value:
    """``value`` without the secret marks around it."""
    while signature(value) == SECRET:
        value = value["value"]
    return value


def _kind(value: Value) -> str:
    if signature(value) == ASSET:
        return "an asset"
    if signature(value) == ARCHIVE:
        return "an archive"
    names = {bool: "a boolean", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def _mismatch(path: str, value: Value, shape: Shape) -> Iterator[Problem]:
    yield path, f"{_kind(value)} was given — write {shape.describe()}"


@dataclass(frozen=True)
class Scalar:
    """One of the plain types of JSON."""

    name: str
    types: tuple[type, ...]
    whole: bool = False

    def describe(self) -> str:
        return self.name

    def problems(self, path: str, value: Value) -> Iterator[Problem]:
        is_boolean = isinstance(value, bool)
        if not isinstance(value, self.types) or is_boolean != (bool in self.types):
            yield from _mismatch(path, value, self)
        elif self.whole and isinstance(value, float) and not value.is_integer():
            yield path, "a fraction was given — write a whole number"


@dataclass(frozen=True)
class Choice:
    """One of some strings."""

    values: tuple[str, ...]

    def describe(self) -> str:
        return "one of " + ", ".join(self.values)

    def problems(self, path: str, value: Value) -> Iterator[Problem]:
        if value not in self.values:
            yield path, f"an unknown value was given — write {self.describe()}"


@dataclass(frozen=True)
class Anything:
    """Any value at all."""

    def describe(self) -> str:
        return "any value"

    def problems(self, path: str, value: Value) -> Iterator[Problem]:  # noqa: ARG002 - judges nothing
        return iter(())


@dataclass(frozen=True)
class FileSource:
    """An asset or an archive."""

    def describe(self) -> str:
        return "an asset or an archive"

    def problems(self, path: str, value: Value) -> Iterator[Problem]:
        if signature(value) not in (ASSET, ARCHIVE):
            yield from _mismatch(path, value, self)


@dataclass(frozen=True)
class ListOf:
    """A list whose items have one shape."""

    item: Shape

    def describe(self) -> str:
        return f"a list ({self.item.describe()} each)"

    def problems(self, path: str, value: Value) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield from _mismatch(path, value, self)
            return
        for index, item in enumerate(value):
            yield from check(self.item, f"{path}[{index}]", item)


@dataclass(frozen=True)
class MapOf:
    """An object with free keys whose values have one shape."""

    item: Shape

    def describe(self) -> str:
        return f"an object ({self.item.describe()} each)"

    def problems(self, path: str, value: Value) -> Iterator[Problem]:
        if not isinstance(value, dict) or signature(value):
            yield from _mismatch(path, value, self)
            return
        for key, item in value.items():
            yield from check(self.item, f"{path}.{key}", item)


@dataclass(frozen=True)
class Object:
    """An object with known properties."""

    name: str
    properties: Mapping[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)

    def describe(self) -> str:
        return f"an object with {', '.join(sorted(self.properties))}"

    def problems(self, path: str, value: Value) -> Iterator[Problem]:
        if not isinstance(value, dict) or signature(value):
            yield from _mismatch(path, value, self)
            return
        prefix = f"{path}." if path else ""
        for key in sorted(value.keys() - self.properties.keys()):
            yield f"{prefix}{key}", self._unknown_property(key)
        for key in sorted(self.required - value.keys()):
            yield f"{prefix}{key}", f"missing, and {self.name} needs it — write {key}"
        for key in sorted(value.keys() & self.properties.keys()):
            yield from check(self.properties[key], f"{prefix}{key}", value[key])

    def _unknown_property(self, key: str) -> str:
        near = difflib.get_close_matches(key, self.properties, n=1)
        meant = f"{near[0]}? " if near else ""
        valid = ", ".join(sorted(self.properties))
        return f"{self.name} has no property {key!r} — write {meant}one of: {valid}"


def check(shape: Shape, path: str, value: Value) -> Iterator[Problem]:
    """What is wrong with ``value``; what is unknown yet, or not given, is not judged."""
    value = bare(value)
    if value is not None and value != UNKNOWN:
        yield from shape.problems(path, value)
