"""Property values: plain JSON in which a dict with a signature stands for something special.

The signatures and the unknown sentinels are those of Pulumi's wire format
(``sdk/go/common/resource/sig`` and ``sdk/go/common/resource/plugin/rpc.go``).
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from google.protobuf import struct_pb2

Value: TypeAlias = Any
"""None, bool, int, float, str, list of values, or dict of values (see ``signature``)."""
Properties: TypeAlias = dict[str, Any]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the format's name for the mark
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_TYPED_UNKNOWNS = {
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
    "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
    "e48ece36-62e2-4504-bad9-02848725956a",  # archive
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
}
_INPUTS_AGAIN = "__inputs"  # where providers keep what they were given, in their outputs
_EXACT_INTEGERS = 1e15  # beyond it a double no longer tells neighbours apart


def from_value(wire: struct_pb2.Value) -> Value:
    """A value as it came over gRPC; every kind of unknown becomes ``UNKNOWN``."""
    kind = wire.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(wire.struct_value)
    if kind == "list_value":
        return [from_value(item) for item in wire.list_value.values]
    if kind == "number_value":
        number = wire.number_value
        return int(number) if abs(number) < _EXACT_INTEGERS and number == int(number) else number
    if kind == "string_value":
        return UNKNOWN if wire.string_value in _TYPED_UNKNOWNS else wire.string_value
    return wire.bool_value if kind == "bool_value" else None


def from_struct(wire: struct_pb2.Struct) -> Properties:
    """Properties as they came over gRPC."""
    return {key: from_value(value) for key, value in wire.fields.items()}


def to_struct(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Properties as they go over gRPC."""
    wire = struct_pb2.Struct()
    wire.update(dict(properties))
    return wire


def signature(value: Value) -> str | None:
    """Which special thing a value stands for; None for a plain one."""
    mark = value.get(SIGNATURE) if isinstance(value, dict) else None
    return mark if isinstance(mark, str) else None


def walk(value: Value, change: Callable[[Value], Value]) -> Value:
    """A copy of ``value``, rebuilt bottom-up through ``change``."""
    if isinstance(value, dict):
        value = {k: v if k == SIGNATURE else walk(v, change) for k, v in value.items()}
    elif isinstance(value, list):
        value = [walk(item, change) for item in value]
    return change(value)


def secret(value: Value) -> Value:
    """``value`` marked as secret."""
    return value if signature(value) == SECRET else {SIGNATURE: SECRET, "value": value}


def is_secret(value: Value) -> bool:
    return signature(value) == SECRET


def reveal(value: Value) -> Value:
    """A copy without any secret marks."""
    return walk(value, lambda v: v["value"] if is_secret(v) else v)


def lower_outputs(value: Value, dependencies: set[str]) -> Value:
    """Output values made plain, secret or unknown; the URNs they carry join ``dependencies``."""

    def lower(v: Value) -> Value:
        if signature(v) != OUTPUT:
            return v
        dependencies.update(v.get("dependencies") or [])
        inner = v.get("value", UNKNOWN)
        return secret(inner) if v.get("secret") else inner

    return walk(value, lower)


def has_unknown(value: Value) -> bool:
    """Whether anything within is not known yet (previews only)."""
    if isinstance(value, dict):
        if signature(value) == OUTPUT and "value" not in value:
            return True
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(has_unknown(v) for v in value)
    return isinstance(value, str) and value == UNKNOWN


def drop_unknowns(value: Value) -> Value:
    """A copy without the members that are unknown."""

    def unknown(v: Value) -> bool:
        return v == UNKNOWN or (is_secret(v) and v["value"] == UNKNOWN)

    def drop(v: Value) -> Value:
        if is_secret(v):
            return v
        if isinstance(v, dict):
            return {k: item for k, item in v.items() if not unknown(item)}
        return [item for item in v if not unknown(item)] if isinstance(v, list) else v

    return walk(value, drop)


def inherit_secrets(outputs: Properties, inputs: Properties) -> Properties:
    """Mark each output whose input of the same name is secret.

    For providers that do not take secrets and so cannot give them back marked.
    """
    marked = copy.copy(outputs)
    for key, value in inputs.items():
        if key not in marked:
            continue
        if is_secret(value):
            marked[key] = secret(marked[key])
        elif isinstance(value, dict) and isinstance(marked[key], dict) and not signature(value):
            marked[key] = inherit_secrets(marked[key], value)
    return marked


def secret_strings(value: Value, within: bool = False) -> set[str]:
    """Every string that is, or is part of, a secret.

    A provider's own copy of a resource's inputs, which some mark as a whole, is left out: the
    inputs themselves say what of them is secret, and the rest are ordinary words.
    """
    if isinstance(value, dict):
        inside = within or is_secret(value)
        left_out = {SIGNATURE} if inside else {SIGNATURE, _INPUTS_AGAIN}
        parts = [v for k, v in value.items() if k not in left_out]
        return set().union(*(secret_strings(v, inside) for v in parts))
    if isinstance(value, list):
        return set().union(*(secret_strings(v, within) for v in value))
    return {value} if within and isinstance(value, str) and value != UNKNOWN else set()
