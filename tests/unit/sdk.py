"""What the pinned SDKs know of a resource's inputs: names and nested types, by its type token."""

import sys
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from pulumi import _types
from pulumi.runtime import rpc


def resource(token: str) -> type:
    """The class of a resource. Raises LookupError for a type that no SDK has."""
    package, module, name = token.split(":")
    if (package, module) == ("pulumi", "providers"):
        provider: type = import_module(f"pulumi_{name}").Provider
        return provider
    import_module(f"pulumi_{package}")
    known: Any = rpc.get_resource_module(package, module, "")
    if known is None or token not in known.mod_info["classes"]:
        raise LookupError(f"no pinned SDK has a resource of type {token}")
    found: type = getattr(import_module(known.mod_info["fqn"]), known.mod_info["classes"][token])
    return found


def arguments(token: str) -> type:
    """The class of its arguments: `InitArgs` where a nested type has the other name."""
    cls = resource(token)
    names = vars(sys.modules[cls.__module__])
    found: type = names.get(f"{cls.__name__}InitArgs") or names[f"{cls.__name__}Args"]
    return found


def properties(token: str) -> set[str]:
    """Names of its inputs, as Pulumi spells them."""
    return set(_types.input_type_types(arguments(token)))


def outputs(token: str) -> set[str]:
    """Names of its outputs, as Pulumi spells them."""
    return set(_types.resource_types(resource(token)))


def strangers(token: str, inputs: Mapping[str, Any]) -> list[str]:
    """Paths of inputs that the pinned SDK has no property for, and of needed ones left out."""
    return list(_strangers(arguments(token), inputs, ""))


def _strangers(cls: type, given: Mapping[str, Any], path: str) -> Iterator[str]:
    known = _types.input_type_types(cls)
    for name, value in given.items():
        where = f"{path}.{name}".lstrip(".")
        if name not in known:
            yield where
        elif (nested := _nested(known[name])) is not None:
            for at, item in _objects(value, where):
                yield from _strangers(nested, item, at)
    for name in sorted(_needed(cls) - set(given)):
        yield f"{path}.{name} is missing".lstrip(".")


def _needed(cls: type) -> set[str]:
    return {
        pulumi_name
        for name, pulumi_name in _types.input_type_py_to_pulumi_names(cls).items()
        if _without_default(cls, name)
    }


def _without_default(cls: type, name: str) -> bool:
    defaults: Mapping[str, Any] = cls.__init__.__kwdefaults__ or {}  # type: ignore[misc]
    return name not in defaults


def _nested(annotation: Any) -> type | None:
    """The class of nested arguments that a property's type holds, in lists and maps as well."""
    if isinstance(annotation, type) and _types.is_input_type(annotation):
        return annotation
    inner = (_nested(part) for part in typing.get_args(annotation))
    return next((found for found in inner if found is not None), None)


def _objects(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield path, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _objects(item, f"{path}[{place}]")
