"""Recordings of whole stacks, made once for all tests that only read them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from tests.unit.program import run_stack
from tests.unit.recorder import Recording


def of(stack: str, overrides: Mapping[str, Any] | None = None) -> Recording:
    """The stack's recording, with other settings if given; lists in it may be changed freely."""
    made = _made(stack, json.dumps(overrides or {}))
    return replace(made, registrations=list(made.registrations), resources=dict(made.resources))


@cache
def _made(stack: str, overrides: str) -> Recording:
    return run_stack(stack, json.loads(overrides))
