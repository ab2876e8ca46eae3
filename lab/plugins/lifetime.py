"""A plugin lives as long as the engine that started it, and no longer."""

import asyncio
import os
import select
import signal
import threading

_GRACE_SECONDS = 10


class EngineLife:
    """Watches the parent process; to be made before the engine is told of the plugin.

    The parent is watched from a thread of its own through a pidfd: that tells of the process, where
    PR_SET_PDEATHSIG tells of the thread that forked, which may end long before its process. An
    engine that died even before this began is noticed when nobody reads the port.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        # An interrupt from the terminal is left to the engine, which answers it with Cancel.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        parent = os.pidfd_open(os.getppid())
        threading.Thread(target=self._watch, args=(parent,), daemon=True).start()

    async def end(self) -> None:
        """Wait until the engine has died or SIGTERM has come."""
        await self._ended.wait()

    def _watch(self, parent: int) -> None:
        """Tell of the parent's end, and end this process if it does not do so by itself."""
        select.select([parent], [], [])
        self._loop.call_soon_threadsafe(self._ended.set)
        threading.Event().wait(_GRACE_SECONDS)
        os._exit(1)
