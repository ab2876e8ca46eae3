"""One run a stack at a time, by the official CLI's own lock files.

The CLI's fields come first (``pkg/backend/diy/lock.go``); those of ``lab`` tell a live engine
from one that was killed, whose lock the next run takes over.
"""

import contextlib
import datetime
import getpass
import json
import os
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.engine.backend import StackFiles, write_private
from lab.engine.errors import EngineError

_PID_NAMESPACE = Path("/proc/self/ns/pid")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class StackLock:
    """The lock of one stack, held from ``acquire`` to ``release``."""

    def __init__(self, files: StackFiles) -> None:
        self._folder = files.locks
        self._mine = files.locks / f"{uuid.uuid4()}.json"
        self._stack = files.stack

    def acquire(self, tell: Callable[[str], None]) -> None:
        """Take the lock; ``tell`` hears of a dead engine's lock that was taken over.

        Raises ``EngineError`` that names the holder when another run has it.
        """
        self._refuse_others(tell)
        write_private(self._mine, json.dumps(_who_am_i()).encode())
        try:  # as the CLI does: of two that came at once, neither goes on
            self._refuse_others(tell)
        except EngineError:
            self.release()
            raise

    def release(self) -> None:
        self._mine.unlink(missing_ok=True)

    def _refuse_others(self, tell: Callable[[str], None]) -> None:
        held = []
        for file in sorted(self._folder.glob("*.json")):
            if file == self._mine:
                continue
            holder = _read(file)
            if _is_dead_engine(holder):
                file.unlink(missing_ok=True)
                tell(f"took over the lock of a lab engine that was killed ({_name(holder)})")
            else:
                held.append(f"{_name(holder)}: {file}")
        if held:
            raise EngineError(
                f"stack {self._stack} is locked by another run — {', '.join(held)} — wait for it "
                "to end; if it was killed, delete that file (`pulumi cancel` does it, too)"
            )


def _who_am_i() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "pid": pid,
        "username": getpass.getuser(),
        "hostname": socket.gethostname(),
        "timestamp": datetime.datetime.now(datetime.UTC).isoformat(),
        "lab": {"host": _this_host(), "started": _start_of(pid)},
    }


def _this_host() -> str:
    """This boot and process namespace: where a pid means the same process as it does here."""
    return f"{_BOOT_ID.read_text(encoding='ascii').strip()}/{_PID_NAMESPACE.readlink()}"


def _start_of(pid: int) -> str:
    """When the process began, in clock ticks since boot; empty when there is none."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[19]
    return ""


def _is_dead_engine(holder: dict[str, Any]) -> bool:
    lab = holder.get("lab")
    if not isinstance(lab, dict) or holder.get("hostname") != socket.gethostname():
        return False
    boot, _, namespace = str(lab.get("host")).partition("/")
    my_boot, _, my_namespace = _this_host().partition("/")
    if boot != my_boot:
        return True  # this machine was restarted since
    return namespace == my_namespace and _start_of(int(holder["pid"])) != lab.get("started")


def _read(file: Path) -> dict[str, Any]:
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _name(holder: dict[str, Any]) -> str:
    if not holder:
        return "an unreadable lock file"
    engine = "lab engine" if "lab" in holder else "pulumi CLI"
    return (
        f"{engine}, {holder.get('username')}@{holder.get('hostname')}, pid {holder.get('pid')}, "
        f"since {holder.get('timestamp')}"
    )
