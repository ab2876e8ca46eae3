"""Running an engine: Ctrl-C reaches it once, and its end is waited for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools import processes
from tools.messages import ToolError

CLONE = Path(__file__).resolve().parents[2]
# Says each signal that it is sent, and ends when told on standard input.
ENGINE = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda n, _: print(signal.Signals(n).name, flush=True))
print("ready", flush=True)
sys.stdin.readline()
sys.exit(7)
"""
TOOL = "import sys; from tools import processes; sys.exit(processes.run(sys.argv[1:]))"


class Tool:
    """A tool that runs the engine, both in one process group as under a terminal."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TOOL, sys.executable, "-c", ENGINE],
            cwd=CLONE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[str, int]:
        """What else it said, and its exit code."""
        said, _ = self.process.communicate("end\n", timeout=120)
        return said, self.process.returncode


def test_ctrl_c_reaches_the_engine_once_and_its_exit_code_comes_back() -> None:
    tool = Tool()

    os.killpg(tool.process.pid, signal.SIGINT)  # what a terminal does

    assert tool.line() == "SIGINT"
    assert tool.end() == ("", 7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_would_end_the_tool_alone_is_passed_on(number: signal.Signals) -> None:
    tool = Tool()

    tool.process.send_signal(number)

    assert tool.line() == "SIGTERM"
    assert tool.end() == ("", 7)


def test_a_builder_that_fails_is_told() -> None:
    with pytest.raises(ToolError, match="the thing — it could not be built"):
        processes.build("no.such.module", "the thing")
