"""Waits on the cluster: each for a condition, each bounded."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from lab.plugins.kubernetes.annotations import SKIP_AWAIT, WAIT_FOR, annotation, is_set
from lab.plugins.kubernetes.api import Api, ApiError, NoMatchError, Object, UnreachableError
from lab.plugins.kubernetes.readiness import HopelessError, Rule, conditions, rule_for, told
from lab.plugins.kubernetes.wait_for import parse
from lab.plugins.resource import Operation

T = TypeVar("T")
_ASK_EVERY = 0.5  # seconds
_RETRIES = 5  # with pauses of 1, 2, 4, 8 and 16 s, as ``await.Creation`` in the real provider


class NotInOrderError(Exception):
    """The time is over; ``live`` is what was last seen, ``reasons`` what was missing."""

    def __init__(self, live: Object, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live, self.reasons = live, reasons


async def retried(operation: Operation, attempt: Callable[[], Awaitable[T]]) -> T:
    """The attempt's result; what may come yet (a namespace, a kind) is tried again for 31 s."""
    for retry in range(_RETRIES + 1):
        try:
            return await attempt()
        except (ApiError, NoMatchError) as error:
            if retry == _RETRIES or (isinstance(error, ApiError) and not error.not_found):
                raise
            await operation.status(f"Retry #{retry}; creation failed: {error}")
            await asyncio.sleep(2**retry)
    raise AssertionError("unreachable")


def awaited(found: Object) -> Rule | None:
    """What to wait for after the object was made or changed; None for nothing."""
    if is_set(found, SKIP_AWAIT):
        return None
    if expression := annotation(found, WAIT_FOR):
        return parse(expression)
    return rule_for(found)


async def in_order(
    operation: Operation, api: Api, path: str, live: Object, rule: Rule | None, seconds: float
) -> Object:
    """The object once it is in order. Raises ``NotInOrderError`` and ``ApiError``."""
    if rule is None:
        return live
    said = ""
    for _ in _ticks(seconds):
        try:
            live = await api.request("GET", path)
            missing = await rule(api, live)
        except HopelessError as error:
            raise NotInOrderError(live, error.reasons) from error
        except UnreachableError as error:  # a server that restarts
            missing = [str(error)]
        if not missing:
            return live
        if said != missing[0]:
            said = missing[0]
            await operation.status(f"waiting: {said}")
        await asyncio.sleep(_ASK_EVERY)
    raise NotInOrderError(live, missing)


async def gone(operation: Operation, api: Api, path: str, live: Object, seconds: float) -> None:
    """Wait until the object is not there any more. Raises ``NotInOrderError`` and ``ApiError``."""
    uid = live["metadata"].get("uid")
    said = ""
    for _ in _ticks(seconds):
        try:
            live = await api.request("GET", path)
            if uid and live["metadata"].get("uid") != uid:
                return  # another one of the same name
            words = _kept(live)
        except ApiError as error:
            if error.not_found:
                return
            raise
        except UnreachableError as error:
            words = [str(error)]
        if said != words[0]:
            said = words[0]
            await operation.status(f"waiting to be gone: {said}")
        await asyncio.sleep(_ASK_EVERY)
    raise NotInOrderError(live, words)


def _kept(live: Object) -> list[str]:
    """What keeps an object that is to go."""
    own = live["metadata"]
    held = [*(own.get("finalizers") or ()), *(live.get("spec", {}).get("finalizers") or ())]
    reasons = [f"finalizers {', '.join(held)}"] if held else []
    reasons += [told(c) for c in conditions(live).values() if c.get("status") == "True"]
    return reasons or ["still there"]


def _ticks(seconds: float) -> Iterator[None]:
    """At least once, and until the seconds are over."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        yield
