"""Stack files: the user's `Pulumi.<stack>.yaml`, and the one that the engines read in its place.

The generated file is the user's, with `make`'s overrides merged in and the salt of the stack's
own secrets. So `make` never changes a file that the user wrote, and `pulumi up -s dev` by hand
keeps working beside it.
"""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stacks import scalars
from tools import checkpoints
from tools.files import write_private
from tools.messages import ToolError
from tools.paths import CLONE, PROJECT, State

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")  # what Pulumi takes for a stack's name
_FILE = re.compile(rf"Pulumi\.({_NAME.pattern})\.yaml")
# How a stack's secrets are encrypted; the passphrase's salt is Pulumi's `encryptionsalt`.
_ENCRYPTION_KEYS = ("encryptionsalt", "encryptedkey", "secretsprovider")


@dataclass(frozen=True)
class StackFile:
    """A stack as the user wrote it."""

    name: str
    path: Path
    content: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings by their full key, such as `k3s:platform`."""
        return {_full_key(key): value for key, value in (self.content.get("config") or {}).items()}

    @property
    def platforms(self) -> list[str]:
        """Where the nodes are, the stack's own platform first, then those that groups name."""
        named = [self.config.get(f"{PROJECT}:platform", "no platform")]
        named += [group["platform"] for group in self.groups.values() if group.get("platform")]
        return list(dict.fromkeys(_shown(platform) for platform in named))

    @property
    def is_local(self) -> bool:
        """Whether all nodes are containers on this machine."""
        return self.platforms == ["local"] and not self._groups_hidden

    @property
    def platform(self) -> str:
        """Where the nodes are, for messages: `aws`, or `aws, digitalocean and existing`."""
        *others, last = self.platforms
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """The node groups by name, as far as they can be read."""
        groups = self.object("groups")
        return {str(name): group for name, group in groups.items() if isinstance(group, Mapping)}

    @property
    def _groups_hidden(self) -> bool:
        """Encrypted groups: nobody but the engine knows their platforms."""
        return _is_encrypted(self.object("groups"))

    @property
    def k3s(self) -> Mapping[str, Any]:
        """The `k3s:k3s` object: version, artifacts and so on."""
        return self.object("k3s")

    def object(self, key: str) -> Mapping[str, Any]:
        """The object under a key of the project, also one that is written as JSON text."""
        value = self.config.get(f"{PROJECT}:{key}")
        if isinstance(value, str) and value.lstrip().startswith("{"):
            with contextlib.suppress(ValueError):  # the program's own message says what is wrong
                value = json.loads(value)
        return value if isinstance(value, Mapping) else {}

    @property
    def has_secrets(self) -> bool:
        """Whether a value is encrypted (`secure:`), and so bound to the user's own passphrase."""
        return _has_encrypted(self.config)


def load(name: str, folder: Path = CLONE) -> StackFile:
    """Reads `Pulumi.<name>.yaml`. Raises ToolError, which names the stacks that there are."""
    path = folder / f"Pulumi.{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise ToolError(
            f"STACK={name}",
            f"there is no {path.name}",
            f"write STACK= and one of: {', '.join(names(folder)) or '(there is none)'}",
        )
    return parse(name, path, path.read_text(encoding="utf-8"))


def names(folder: Path = CLONE) -> list[str]:
    """Names of the stacks that have a stack file."""
    return sorted(filter(None, (name_of(file.name) for file in folder.glob("Pulumi.*.yaml"))))


def name_of(file_name: str) -> str | None:
    """`staging` for `Pulumi.staging.yaml`; None for a file that is no stack file."""
    match = _FILE.fullmatch(file_name)
    return match[1] if match else None


def parse(name: str, path: Path, text: str) -> StackFile:
    """A stack file's text. Raises ToolError when it is none."""
    try:
        content = scalars.load(text) or {}
    except yaml.YAMLError as error:
        raise ToolError(path.name, f"it is not YAML: {error}", "put that line right") from error
    if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
        raise ToolError(path.name, "it holds no mapping under config:", "write config: and keys")
    return StackFile(name, path, content)


def generate(stack: StackFile, overrides: Mapping[str, Any], state: State) -> Path:
    """Writes the file that the engines read; gives its path. Raises ToolError.

    `overrides` has full config keys; objects are merged into the user's, all else replaces it.
    """
    target = state.config(stack.name)
    merged = {key: value for key, value in stack.content.items() if key not in _ENCRYPTION_KEYS}
    merged["config"] = _merge(stack.config, overrides)
    if stack.has_secrets:
        _require_passphrase(stack)
        merged |= {key: stack.content[key] for key in _ENCRYPTION_KEYS if key in stack.content}
    elif salt := known_salt(stack.name, state):
        merged["encryptionsalt"] = salt
    head = f"# Made by `make` from {stack.path.name}; changed there, not here.\n"
    write_private(target, head + scalars.dump(merged))
    return target


def known_salt(name: str, state: State) -> str | None:
    """The salt of the stack's secrets: as generated before, else as its state has it."""
    generated = state.config(name)
    if generated.is_file():
        content = scalars.load(generated.read_text(encoding="utf-8")) or {}
        if salt := content.get("encryptionsalt"):
            return str(salt)
    return checkpoints.salt(state.checkpoint(name))


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One level deep: `artifacts`, an object in an object, is replaced as a whole."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = {**base[key], **value} if both else value
    return merged


def _require_passphrase(stack: StackFile) -> None:
    names = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
    if "encryptionsalt" not in stack.content or not any(name in os.environ for name in names):
        raise ToolError(
            f"{stack.path.name} with secure: values",
            "only the passphrase that encrypted them can read them",
            f"set {names[1]} to the file that holds it",
        )


def _full_key(key: object) -> str:
    """`key`, `k3s:key` or the old `k3s:config:key` as `k3s:key`, as the CLI reads them."""
    namespace, _, name = str(key).rpartition(":")
    return f"{namespace.removesuffix(':config') or PROJECT}:{name}"


def _shown(platform: object) -> str:
    return platform if isinstance(platform, str) else "a platform that cannot be read here"


def _is_encrypted(value: object) -> bool:
    """`{secure: v1:...}`; a node group that is named `secure` holds an object, not a text."""
    return (
        isinstance(value, Mapping) and set(value) == {"secure"} and isinstance(value["secure"], str)
    )


def _has_encrypted(value: object) -> bool:
    """At any depth."""
    if isinstance(value, Mapping):
        return _is_encrypted(value) or any(map(_has_encrypted, value.values()))
    return isinstance(value, list) and any(map(_has_encrypted, value))
