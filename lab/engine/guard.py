"""Real clouds are not for this engine."""

import json
from typing import Any

from lab.engine.config import StackConfig
from lab.engine.errors import EngineError

_LOCAL = "local"


def refuse_real_clouds(config: StackConfig) -> None:
    """Raise ``EngineError`` when the stack, or a group of it, is not on this machine."""
    platforms = {"k3s:platform": config.values.get("k3s:platform", _LOCAL)}
    for name, group in _groups(config.values.get("k3s:groups", "{}")).items():
        if isinstance(group, dict) and group.get("platform"):
            platforms[f"k3s:groups.{name}.platform"] = group["platform"]
    mistakes = [
        f"{key}: {platform} — the lab engine is for stacks on this machine alone — use the "
        "official Pulumi CLI for this stack (ENGINE=pulumi)"
        for key, platform in platforms.items()
        if platform != _LOCAL
    ]
    if mistakes:
        raise EngineError("\n".join(mistakes))


def _groups(text: str) -> dict[str, Any]:
    """The groups by name, or by their place where they are a list."""
    try:
        groups = json.loads(text)
    except ValueError:
        return {}  # the program itself says what is wrong with it
    if isinstance(groups, list):
        return {str(index): group for index, group in enumerate(groups)}
    return groups if isinstance(groups, dict) else {}
