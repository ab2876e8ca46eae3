"""Stack files as Pulumi hands them to the program."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def config_of(stack: str, overrides: Mapping[str, object] | None = None) -> dict[str, str]:
    """`Pulumi.<stack>.yaml` with `overrides` (keys without `k3s:`) in place of its own values."""
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    values = yaml.safe_load(text)["config"] | {
        f"k3s:{key}": value for key, value in (overrides or {}).items()
    }
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def raw(stack: str, overrides: Mapping[str, object] | None = None) -> dict[str, str]:
    """The same without the namespace, as `stacks.settings.parse` takes it."""
    return {key.removeprefix("k3s:"): v for key, v in config_of(stack, overrides).items()}
