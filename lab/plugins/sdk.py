"""The shapes of resource inputs, derived from the Args classes of the pinned SDK wheels.

The wheels are generated from each provider's schema, so their classes say which properties
there are, how they are spelt on the wire, which are required and of what type.
"""

import collections.abc
import importlib.metadata
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

import pulumi
import pulumi._types as sdk_types

from lab.plugins.shapes import (
    Anything,
    Choice,
    FileSource,
    ListOf,
    MapOf,
    Object,
    Scalar,
    Shape,
)

_SCALARS: Mapping[Any, Scalar] = {
    bool: Scalar("a boolean", (bool,)),
    str: Scalar("a string", (str,)),
    int: Scalar("a whole number", (int, float), whole=True),
    float: Scalar("a number", (int, float)),
}


def wheel_version(package: str) -> str:
    """The version of the pinned SDK of a provider, which is the provider's own: "1.2.1"."""
    return importlib.metadata.version(f"pulumi_{package}")


@cache
def inputs_of(args: type, name: str) -> Object:
    """The shape of the inputs that an SDK's Args class stands for; ``name`` is for messages."""
    properties = {
        wire_name: _shape(hint) for wire_name, hint in sdk_types.input_type_types(args).items()
    }
    return Object(name, properties, sdk_types._required_property_names(args))


def _shape(hint: Any) -> Shape:
    hint = _plain(hint)
    if hint is Any:
        return Anything()
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Choice(tuple(str(member.value) for member in hint))
    if isinstance(hint, type) and sdk_types.is_input_type(hint):
        return inputs_of(hint, hint.__name__.removesuffix("Args"))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return Choice(tuple(str(value) for value in arguments))
    if origin is collections.abc.Sequence:
        return ListOf(_shape(arguments[0]))
    if origin is collections.abc.Mapping:
        return MapOf(_shape(arguments[1]))
    if _is_union(hint) and set(arguments) == {pulumi.Asset, pulumi.Archive}:
        return FileSource()
    raise TypeError(f"the SDK declares {hint!r}, which {__name__} cannot turn into a shape")


def _plain(hint: Any) -> Any:
    """The type without the ways in which the SDK lets it come later (Awaitable, Output)."""
    if not _is_union(hint):
        return hint
    members = [m for m in typing.get_args(hint) if not _comes_later(m) and m is not types.NoneType]
    if len(members) == 1:
        return _plain(members[0])
    return typing.Union[tuple(members)]  # noqa: UP007 - built from a tuple


def _comes_later(hint: Any) -> bool:
    return typing.get_origin(hint) in (collections.abc.Awaitable, pulumi.Output)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)
