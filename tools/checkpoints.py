"""Reading a file backend without an engine. Needs nothing but Python itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The lab's engine keeps it beside a checkpoint while it works: one that is there was cut off.
_JOURNAL = ".lab-journal"


def deployment(checkpoint: Path) -> dict[str, Any]:
    """The deployment in a checkpoint, version 3; empty for a stack that has none."""
    if not checkpoint.is_file():
        return {}
    content: dict[str, Any] = json.loads(checkpoint.read_text(encoding="utf-8"))
    return content.get("checkpoint", {}).get("latest") or {}


def has_resources(checkpoint: Path) -> bool:
    """Whether anything of the stack may be there: resources, or an operation that was begun."""
    latest = deployment(checkpoint)
    begun = checkpoint.with_name(checkpoint.name + _JOURNAL).exists()
    return bool(begun or latest.get("resources") or latest.get("pending_operations"))


def salt(checkpoint: Path) -> str | None:
    """The salt that the stack's passphrase is used with, as its state has it."""
    provider = deployment(checkpoint).get("secrets_providers") or {}
    value = (provider.get("state") or {}).get("salt")
    return str(value) if value else None


def stacks_with_resources(backend: Path) -> Iterator[str]:
    """Names of the stacks in a file backend of which anything may be there."""
    for path in (backend / ".pulumi" / "stacks").rglob("*.json"):
        if has_resources(path):
            yield path.stem
