"""Running other programs: live output, Ctrl-C once, the exit code as an error."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from tools.messages import ToolError
from tools.paths import CLONE

_SECONDS_TO_END = 60.0  # what an engine may take to end the steps that it has begun


def run(
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    cwd: Path = CLONE,
    output: IO[str] | None = None,
    seconds: float | None = None,
) -> int:
    """Runs a program with its output live, or into `output`; gives its exit code.

    After `seconds` it is told to end, as by SIGTERM, and some time after that it is ended.

    The terminal sends Ctrl-C to the program itself, as both are in one process group: here it is
    only waited for, so that it comes once and the program can end what it has begun. SIGTERM and
    SIGHUP, which come to this process alone, are passed on.
    """
    errors = subprocess.STDOUT if output else None
    with subprocess.Popen(argv, cwd=cwd, env=env, stdout=output, stderr=errors) as process:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

        def wait(_number: int, _frame: FrameType | None) -> None:
            """Only waits."""

        handlers = {signal.SIGINT: wait, signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            return _wait(process, seconds)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _wait(process: "subprocess.Popen[bytes]", seconds: float | None) -> int:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        return process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait()


def read(argv: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Runs a program in the clone; gives its exit code and standard output. Messages stay live."""
    done = subprocess.run(argv, cwd=CLONE, env=env, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def build(module: str, what: str, *words: str) -> str:
    """Runs a builder of the lab, which prints what it made alone on standard output.

    Raises ToolError when it fails; it has said why by then.
    """
    code, made = read([sys.executable, "-m", module, *words])
    if code != 0 or not made.strip():
        raise ToolError(what, "it could not be built, see above", "put it right and try again")
    return made.strip().splitlines()[-1]


def build_folder(module: str, what: str, *words: str) -> Path:
    """As `build`, where what it made is a folder."""
    return Path(build(module, what, *words))
