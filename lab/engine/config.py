"""Pulumi.yaml and the stack's config file, read as the official CLI reads them.

Source: ``pkg/workspace/config.go`` and ``sdk/go/common/resource/config``.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.engine import scalars
from lab.engine.crypter import Crypter
from lab.engine.errors import EngineError, refuse

_SALT_KEY = "encryptionsalt"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True)
class Project:
    """What the engine needs of Pulumi.yaml."""

    name: str
    folder: Path
    main: Path
    """The folder or file that holds the program, absolute."""
    virtualenv: Path | None
    backend_url: str
    config: dict[str, Any]
    """The ``config`` section: declared keys with their types and defaults."""


@dataclass(frozen=True)
class StackConfig:
    """The stack's config as programs and plugins see it."""

    values: dict[str, str] = field(repr=False)
    """``namespace:key`` to text; structured values are JSON text. Secrets are decrypted."""
    secret_keys: list[str]

    def of_package(self, package: str) -> dict[str, str]:
        """The settings of one provider package, without their namespace."""
        prefix = package + ":"
        return {k.removeprefix(prefix): v for k, v in self.values.items() if k.startswith(prefix)}

    def is_secret(self, package: str, key: str) -> bool:
        return f"{package}:{key}" in self.secret_keys


def load_project(folder: Path) -> Project:
    """Read ``Pulumi.yaml``. Raises ``EngineError`` when it is not one this engine can run."""
    file = folder / "Pulumi.yaml"
    document = _mapping(file)
    name, runtime = document.get("name"), document.get("runtime")
    options: dict[str, Any] = {}
    if isinstance(runtime, dict):
        options, runtime = runtime.get("options") or {}, runtime.get("name")
    if not isinstance(name, str) or not name:
        raise EngineError(f"{file}: name: {name!r} — a project has a name — write name: k3s")
    if runtime != "python":
        raise refuse(f"{file}: runtime: {runtime!r}", "write runtime: python")
    virtualenv = options.get("virtualenv")
    backend = document.get("backend") or {}
    return Project(
        name=name,
        folder=folder,
        main=(folder / (document.get("main") or ".")).resolve(),
        virtualenv=(folder / virtualenv).resolve() if virtualenv else None,
        backend_url=backend.get("url", "") if isinstance(backend, dict) else "",
        config=document.get("config") or {},
    )


def read_salt(file: Path) -> str:
    """The file's ``encryptionsalt``; empty when there is no such file or line."""
    salt = _mapping(file).get(_SALT_KEY, "") if file.exists() else ""
    return salt if isinstance(salt, str) else ""


def write_salt(file: Path, salt_line: str) -> None:
    """Put ``encryptionsalt`` on top of the stack's config file; its comments stay."""
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(f"{_SALT_KEY}: {salt_line}\n{old}", encoding="utf-8")


def load_stack(project: Project, stack: str, file: Path, crypter: Crypter) -> StackConfig:
    """The stack's config with the project's defaults, checked against the declared types.

    All mistakes are told together.
    """
    document = _mapping(file) if file.exists() else {}
    for unsupported in ("environment", "secretsprovider"):
        value = document.get(unsupported)
        if value and value != "passphrase":
            raise refuse(f"{file}: {unsupported}: {value}", "leave it out")
    section = document.get("config") or {}
    if not isinstance(section, dict):
        raise EngineError(f"{file}: config: {section!r} — it is not a mapping — write key: value")
    raw = {_full_key(project.name, key): value for key, value in section.items()}
    values, secret_keys = {}, []
    for key, value in raw.items():
        plain, secure = _decrypted(value, crypter)
        values[key] = plain
        if secure:
            secret_keys.append(key)
    mistakes = _apply_declared(project, stack, values, secret_keys)
    if mistakes:
        raise EngineError("\n".join(mistakes))
    texts = {key: scalars.text(key, value) for key, value in values.items()}
    return StackConfig(texts, sorted(secret_keys))


def _apply_declared(
    project: Project, stack: str, values: dict[str, Any], secret_keys: list[str]
) -> list[str]:
    """Add the project's defaults to ``values``; gives what contradicts the declarations."""
    mistakes = []
    for declared, schema in sorted(project.config.items()):
        key = _full_key(project.name, declared)
        schema = schema if isinstance(schema, dict) else {"default": schema}
        if key not in values:
            default = schema.get("default", schema.get("value"))
            if default is not None:
                values[key] = default
            elif key.startswith(project.name + ":"):
                mistakes.append(f"Stack '{stack}' is missing configuration value '{declared}'")
            continue
        wanted = schema.get("type")
        if schema.get("secret") and key not in secret_keys:
            mistakes.append(
                f"Stack '{stack}' with configuration key '{declared}' must be encrypted "
                "as it's secret"
            )
        elif wanted in _TYPES and not _has_type(values[key], wanted, key in secret_keys):
            mistakes.append(
                f"Stack '{stack}' with configuration key '{declared}' must be of type '{wanted}'"
            )
    return mistakes


def _has_type(value: Any, wanted: str, secure: bool) -> bool:
    """The CLI takes text that reads as the type, as a decrypted value always is text."""
    if wanted == "string":
        return not isinstance(value, dict | list)
    if isinstance(value, str) and (secure or wanted in ("integer", "boolean")):
        try:
            value = json.loads(value)
        except ValueError:
            return False
    return isinstance(value, _TYPES[wanted]) and not (
        wanted == "integer" and isinstance(value, bool)
    )


def _decrypted(value: Any, crypter: Crypter) -> tuple[Any, bool]:
    """The value without ``secure:``, and whether anything in it was secure."""
    if isinstance(value, dict):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return crypter.decrypt(value["secure"]), True
        pairs = {str(k): _decrypted(v, crypter) for k, v in value.items()}
        return {k: v for k, (v, _) in pairs.items()}, any(s for _, s in pairs.values())
    if isinstance(value, list):
        items = [_decrypted(v, crypter) for v in value]
        return [v for v, _ in items], any(s for _, s in items)
    return value, False


def _full_key(project: str, key: str) -> str:
    """``key``, ``ns:key`` or the old ``ns:config:key`` as ``ns:key``."""
    namespace, _, name = key.rpartition(":")
    return f"{namespace.removesuffix(':config') or project}:{name}"


def _mapping(file: Path) -> dict[str, Any]:
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=scalars.Loader)  # noqa: S506
    except FileNotFoundError as error:
        raise EngineError(
            f"{file} — there is no such file — run from the project's folder, or give --cwd"
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise EngineError(f"{file} — it cannot be read as YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise EngineError(f"{file} — it holds no mapping — write key: value lines")
    return document
