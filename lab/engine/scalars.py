"""YAML scalars as the official CLI reads and passes them on, mistakes as the engine tells them."""

from typing import Any

from lab.engine.errors import EngineError
from stacks import scalars

Loader = scalars.Loader


def text(key: str, value: Any) -> str:
    """The value of ``key`` as programs get it. Raises ``EngineError`` for one that has no form."""
    try:
        return scalars.text(key, value)
    except scalars.UnreadableError as error:
        raise EngineError(str(error)) from None
