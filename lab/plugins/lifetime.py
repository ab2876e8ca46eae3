"""A plugin lives as long as the engine that started it, and no longer."""

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

_GRACE_SECONDS = 5


async def until_engine_ends(stop: Callable[[], Awaitable[None]]) -> None:
    """Wait until the parent process has died or SIGTERM has come, then run ``stop``.

    The parent is watched from a thread of its own through a pidfd: it tells of the process, where
    PR_SET_PDEATHSIG tells of the thread that forked, which may end long before its process. The
    same thread ends this process when ``stop`` does not come to its end. An interrupt from the
    terminal is left to the engine, which answers it with Cancel.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch(parent: int) -> None:
        select.select([parent], [], [])
        loop.call_soon_threadsafe(ended.set)
        threading.Event().wait(_GRACE_SECONDS)
        os._exit(1)

    parent = _open_parent()
    if parent is None:
        ended.set()
    else:
        threading.Thread(target=watch, args=(parent,), daemon=True).start()
    await ended.wait()
    await stop()


def _open_parent() -> int | None:
    """A pidfd of the process that started this one; None when it is gone already."""
    parent = os.getppid()
    try:
        pidfd = os.pidfd_open(parent)
    except OSError as error:
        print(f"cannot watch the engine (process {parent}): {error}", file=sys.stderr)
        return None
    if os.getppid() != parent:
        return None
    return pidfd
