"""The stack's config, read into typed settings; every mistake told at once, by key."""

import contextlib
import difflib
import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from components.cluster_settings import Draft, addon_asked, problems
from components.problems import Problem, SettingsError
from stacks.model import StackSettings
from workloads import settings as workload_rules
from workloads.settings import Workloads

# Secrets have keys of their own, so that no object is secret as a whole; the program hands them on.
# Of each, what a value in clear would mean, and how it is written.
SECRET_KEYS = {
    "operatorKey": (
        "who reads the stack file could log in to every node",
        "write it with pulumi config set --secret k3s:operatorKey, and make a new key",
    ),
    "secrets": (
        "who reads the stack file could use them",
        "write each with pulumi config set --secret --path k3s:secrets.NAME, and make them new",
    ),
}


def load(config: pulumi.Config) -> StackSettings:
    """Settings of the current stack. Raises pulumi.RunError, which ends in exit code 1."""
    keys = _keys(config.name)
    raw = {key: config.require(key) for key in keys if key not in SECRET_KEYS}
    in_clear = [
        key for key in SECRET_KEYS if key in keys and not is_config_secret(f"{config.name}:{key}")
    ]
    try:
        return parse(
            pulumi.get_stack(),
            raw,
            operator_key_given="operatorKey" in keys,
            in_clear=in_clear,
            secrets=frozenset(_secret_values(config)),
        )
    except SettingsError as error:
        raise pulumi.RunError(f"stack {pulumi.get_stack()}: {error}") from None


def secrets(config: pulumi.Config) -> Mapping[str, pulumi.Output[str]]:
    """The secret values of `k3s:secrets` by their names, which are no secret."""
    return {name: pulumi.Output.secret(value) for name, value in _secret_values(config).items()}


def _secret_values(config: pulumi.Config) -> Mapping[str, str]:
    """Raises SettingsError."""
    text = CONFIG.get().get(f"{config.name}:secrets")
    if text is None:
        return {}
    try:
        return TypeAdapter(dict[str, str]).validate_json(text)
    except ValidationError:
        raise SettingsError(
            [
                Problem(
                    key="secrets",
                    given="a value that is not shown",
                    why="not an object of names and texts",
                    write="write each with pulumi config set --secret --path k3s:secrets.NAME",
                )
            ]
        ) from None


def parse(
    stack: str,
    raw: Mapping[str, str],
    *,
    operator_key_given: bool = True,
    in_clear: Iterable[str] = (),
    secrets: frozenset[str] = frozenset(),
) -> StackSettings:
    """Settings from config values as Pulumi hands them over: text, or JSON for objects.

    `raw` is without the secret keys: `operator_key_given` says whether one of them is there, and
    `in_clear` which are there unencrypted, `secrets` the names of the values in `k3s:secrets`.

    Raises SettingsError with every mistake that can be seen.
    """
    found: list[Problem] = [_unencrypted(key) for key in in_clear]
    values = {key: _value(key, text, found) for key, text in raw.items()}
    settings: StackSettings | None = None
    try:
        settings = StackSettings.model_validate(values)
    except ValidationError as error:
        found += [_problem(details) for details in error.errors()]
        for details in error.errors():
            _take_out(values, details["loc"])
    draft = Draft(**{key: _part(key, values) for key in Draft.__dataclass_fields__})
    # A part that is there and cannot be read is not missing.
    unread = {key for key in raw if getattr(draft, key, ...) is None}
    told = problems(stack, draft, operator_key_given=operator_key_given, secrets=secrets)
    told += _of_workloads(stack, draft, _part("workloads", values))
    found += [p for p in told if p.given is not None or p.key not in unread]
    if found or settings is None:
        raise SettingsError(list({str(problem): problem for problem in found}.values()))
    return settings


def _of_workloads(stack: str, draft: Draft, workloads: Workloads | None) -> list[Problem]:
    if workloads is None or draft.addons is None:
        return []
    return list(workload_rules.problems(workloads, draft.addons, addon_asked(stack, draft)))


def _unencrypted(key: str) -> Problem:
    why, write = SECRET_KEYS[key]
    return Problem(key=key, given="a value in clear", why=why, write=write)


def _take_out(values: Any, path: tuple[int | str, ...]) -> None:
    """Remove what is wrong in itself, so that the rest can still be held against the rules."""
    *way, last = path
    for step in way:
        if not isinstance(values, dict) or step not in values:
            return
        values = values[step]
    if isinstance(values, dict):
        values.pop(last, None)


def _part(key: str, values: Mapping[str, Any]) -> Any:
    """One part of the settings, None where it cannot be read by itself."""
    field = StackSettings.model_fields[key]
    written = field.alias or key
    if written not in values:
        return None if field.is_required() else field.get_default(call_default_factory=True)
    try:
        annotation: Any = field.annotation
        return TypeAdapter(annotation).validate_python(values[written])
    except ValidationError:
        return None


def _keys(project: str) -> list[str]:
    """All keys of the project's namespace: `pulumi.Config` reads keys, and cannot list them."""
    return [
        key.removeprefix(f"{project}:") for key in CONFIG.get() if key.startswith(f"{project}:")
    ]


def _value(key: str, text: str, found: list[Problem]) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        found.append(
            Problem(
                key=key, given=text, why=f"not JSON: {error.msg}", write="write an object in YAML"
            )
        )
        return None


def _problem(details: ErrorDetails) -> Problem:
    path = [str(part) for part in details["loc"] if part != "[key]"]
    key, kind = ".".join(path), details["type"]
    if kind == "missing":
        return Problem(key=key, given=None, why="it is needed", write=f"write {_help(path)}")
    if kind == "extra_forbidden":
        return _unknown_key(path, details["input"])
    message = _network_mistake(details) or details["msg"].removeprefix("Value error, ")
    why = message[0].lower() + message[1:]
    return Problem(key=key, given=details["input"], why=why, write=f"write {_help(path)}")


def _network_mistake(details: ErrorDetails) -> str | None:
    """What pydantic does not tell of a CIDR: that it is an address, with bits behind its prefix."""
    if not details["type"].startswith("ip_") or not details["type"].endswith("_network"):
        return None
    with contextlib.suppress(ValueError):
        network = ip_network(str(details["input"]), strict=False)
        if str(network) != str(details["input"]) and f"v{network.version}" in details["type"]:
            return f"it has bits set behind its prefix, which a network has not: {network} is one"
    return None


def _unknown_key(path: list[str], given: object) -> Problem:
    valid = _spelt(_model_at(path[:-1]))
    close = difflib.get_close_matches(path[-1], valid, n=1)
    return Problem(
        key=".".join(path),
        given=given,
        why="there is no such setting",
        write=f"write {close[0]}" if close else f"write one of {', '.join(valid)}",
    )


def _help(path: list[str]) -> str:
    """What the setting's own description asks for."""
    field = None
    for length in range(len(path), 0, -1):
        model = _model_at(path[: length - 1])
        field = _fields(model).get(path[length - 1]) if model else None
        if field is not None:
            break
    return (field.description if field else None) or "a value of the right form"


def _model_at(path: Iterable[str]) -> type[BaseModel] | None:
    """The settings model that a path leads to; a step into a collection leads to its values."""
    annotation: Any = StackSettings
    for part in path:
        annotation = _given(annotation)
        if _is_model(annotation):
            field = _fields(annotation).get(part)
            annotation = field.annotation if field else None
        else:
            # A mapping's values, or what a tuple has any number of.
            inner = [kind for kind in getattr(annotation, "__args__", ()) if kind is not Ellipsis]
            annotation = inner[-1] if inner else None
    annotation = _given(annotation)
    return annotation if _is_model(annotation) else None


def _given(annotation: Any) -> Any:
    """What stands there when the setting is not left out."""
    arguments = getattr(annotation, "__args__", ())
    if type(None) not in arguments:
        return annotation
    (given, *_) = [kind for kind in arguments if kind is not type(None)]
    return given


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    if model is None:
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _spelt(model: type[BaseModel] | None) -> list[str]:
    return sorted(_fields(model))
