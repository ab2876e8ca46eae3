"""Stack files: the user's `Pulumi.<stack>.yaml`, and the one that the engines read in its place.

The generated file is the user's, with `make`'s overrides merged in and the salt of the stack's
own secrets. So `make` never changes a file that the user wrote, and `pulumi up -s dev` by hand
keeps working beside it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import checkpoints
from tools.files import write_private
from tools.messages import ToolError
from tools.paths import CLONE, State

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")  # what Pulumi takes for a stack's name
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
        return self.content.get("config") or {}

    @property
    def is_local(self) -> bool:
        """Whether the nodes are containers on this machine."""
        return bool(self.config.get("k3s:platform") == "local")

    @property
    def platform(self) -> str:
        """Where the nodes are, as the stack file says it."""
        return str(self.config.get("k3s:platform", "no platform"))

    @property
    def k3s(self) -> Mapping[str, Any]:
        """The `k3s:k3s` object: version, artifacts and so on."""
        value = self.config.get("k3s:k3s")
        return value if isinstance(value, Mapping) else {}

    @property
    def has_secrets(self) -> bool:
        """Whether a value is encrypted (`secure:`), and so bound to the user's own passphrase."""
        return "secure" in _keys(self.config)


def load(name: str, folder: Path = CLONE) -> StackFile:
    """Reads `Pulumi.<name>.yaml`. Raises ToolError, which names the stacks that there are."""
    path = folder / f"Pulumi.{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        stacks = [
            file.name[len("Pulumi.") : -len(".yaml")] for file in folder.glob("Pulumi.*.yaml")
        ]
        raise ToolError(
            f"STACK={name}",
            f"there is no {path.name}",
            f"write STACK= and one of: {', '.join(sorted(stacks)) or '(there is none)'}",
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
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
    write_private(target, head + yaml.safe_dump(merged, sort_keys=False, allow_unicode=True))
    return target


def known_salt(name: str, state: State) -> str | None:
    """The salt of the stack's secrets: as generated before, else as its state has it."""
    generated = state.config(name)
    if generated.is_file():
        content = yaml.safe_load(generated.read_text(encoding="utf-8")) or {}
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


def _keys(value: object) -> set[object]:
    """Keys at any depth."""
    if isinstance(value, Mapping):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    return set()
