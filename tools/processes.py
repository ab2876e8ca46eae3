"""Running other programs: live output, Ctrl-C once, the exit code as an error."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from tools.messages import ToolError
from tools.paths import CLONE


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Runs a program in the clone with its output live; gives its exit code.

    The terminal sends Ctrl-C to the program itself, as both are in one process group: here it is
    only waited for, so that it comes once and the program can end what it has begun. SIGTERM and
    SIGHUP, which come to this process alone, are passed on.
    """
    with subprocess.Popen(argv, cwd=CLONE, env=env) as process:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

        def wait(_number: int, _frame: FrameType | None) -> None:
            """Only waits."""

        handlers = {signal.SIGINT: wait, signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def read(argv: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Runs a program in the clone; gives its exit code and standard output. Messages stay live."""
    done = subprocess.run(argv, cwd=CLONE, env=env, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def build(module: str, what: str) -> str:
    """Runs a builder of the lab, which prints what it made alone on standard output.

    Raises ToolError when it fails; it has said why by then.
    """
    code, made = read([sys.executable, "-m", module])
    if code != 0 or not made.strip():
        raise ToolError(what, "it could not be built, see above", "put it right and try again")
    return made.strip().splitlines()[-1]


def build_folder(module: str, what: str) -> Path:
    """As `build`, where what it made is a folder."""
    return Path(build(module, what))
