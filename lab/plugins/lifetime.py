"""A plugin lives as long as the engine that started it, and no longer."""

import asyncio
import ctypes
import os
import select
import signal
import threading

_GRACE_SECONDS = 10
_PR_SET_PDEATHSIG = 1


class EngineLife:
    """Watches the parent process; to be made before the engine is told of the plugin.

    The parent is watched from a thread of its own through a pidfd: that tells of the process, where
    PR_SET_PDEATHSIG tells of the thread that forked, which may end long before its process. An
    engine that died even before this began is noticed when nobody reads the port.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        # Pulumi's engine ends a plugin with SIGINT, and kills it when it is there 5 s later. One
        # from the terminal never comes here: engines give plugins a process group of their own.
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._ended.set)
        parent = os.pidfd_open(os.getppid())
        # An engine may have had this process killed with it; ending well takes a moment more.
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        threading.Thread(target=self._watch, args=(parent,), daemon=True).start()

    async def end(self) -> None:
        """Wait until the engine has died, or told this process to end."""
        await self._ended.wait()

    def _watch(self, parent: int) -> None:
        """Tell of the parent's end, and end this process if it does not do so by itself."""
        select.select([parent], [], [])
        self._loop.call_soon_threadsafe(self._ended.set)
        threading.Event().wait(_GRACE_SECONDS)
        os._exit(1)
