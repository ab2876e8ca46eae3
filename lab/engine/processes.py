"""Child processes that live no longer than the engine."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import IO

_TETHER = Path(__file__).with_name("tether.py")
# The kernel ties a child to the thread that made it, so one thread makes all of them and stays.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_HIDDEN = ("PULUMI_CONFIG_PASSPHRASE",)


def spawn(command: list[str], folder: Path, extra: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start ``command`` (absolute program first) in a session of its own, so that Ctrl-C at the
    terminal reaches the engine alone. ``extra`` joins the engine's environment, without the
    passphrase.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _HIDDEN} | dict(extra)
    tied = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            tied,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=folder,
            env=environment,
            start_new_session=True,
        )

    return _spawner.submit(start).result()


def follow(stream: IO[str] | None, hear: Callable[[str], None]) -> Thread:
    """Hand each line of ``stream`` to ``hear``, without its end, until the stream closes."""

    def read() -> None:
        for line in stream or ():
            hear(line.rstrip("\n"))

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread


def stop(process: "subprocess.Popen[str]") -> None:
    """End a child at once."""
    process.kill()
    process.wait()
