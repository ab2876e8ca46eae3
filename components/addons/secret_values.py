"""Secret values in free objects: `{secret: NAME}` stands for the value that config has by NAME.

The objects stay readable in the stack file and in pull requests; the values are written by
`pulumi config set --secret --path k3s:secrets.NAME`, which encrypts each of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from components.problems import Problem


def names(value: Any) -> Iterator[str]:
    """The names that an object refers to, however deep."""
    if isinstance(value, Mapping):
        name = _reference(value)
        if name is not None:
            yield name
        else:
            for inner in value.values():
                yield from names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from names(inner)


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """The object with values in place of references. Raises KeyError for one that is not known."""
    if isinstance(value, Mapping):
        name = _reference(value)
        if name is not None:
            return known[name]
        return {key: filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner, known) for inner in value]
    return value


def resolved(value: Any, secrets: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[Any]:
    """The same of values that are outputs (secret)."""
    used = {name: secrets[name] for name in names(value)}
    return pulumi.Output.secret(pulumi.Output.all(**used).apply(lambda known: filled(value, known)))


def problems(key: str, value: Any, there: frozenset[str]) -> Iterator[Problem]:
    """References to values that config lacks; `there` are the names that it has."""
    for name in sorted(set(names(value)) - there):
        yield Problem(
            key=key,
            given=f"{{secret: {name}}}",
            why=f"config has no secret value of the name {name}",
            write=f"run pulumi config set --secret --path k3s:secrets.{name}",
        )


def _reference(value: Mapping[str, Any]) -> str | None:
    name = value.get("secret")
    return name if set(value) == {"secret"} and isinstance(name, str) else None
