"""A plugin ends with the engine that started it, and ends what it had begun."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.engine.values import to_struct
from tests.lab.plugin_host import BIN, Plugin

# The lab's engine has the kernel kill its plugins with it, Pulumi's does not.
_ENGINE = """
import ctypes, signal, subprocess, sys
tie = lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL)
plugin = subprocess.Popen(
    [sys.argv[1]], stdout=subprocess.PIPE, text=True, preexec_fn=tie if sys.argv[2:] else None
)
print(plugin.pid, plugin.stdout.readline().strip(), flush=True)
plugin.wait()
"""


def _start_engine(package: str, *tied: str) -> tuple["subprocess.Popen[str]", int, str]:
    """A process that starts the plugin as an engine does: (process, plugin's pid, address)."""
    engine = subprocess.Popen(
        [sys.executable, "-c", _ENGINE, str(BIN / f"pulumi-resource-{package}"), *tied],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    pid, port = engine.stdout.readline().split()
    return engine, int(pid), f"127.0.0.1:{port}"


def _ends(pidfd: int, seconds: float = 120) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


@pytest.mark.parametrize("package", ["command", "random", "tls"])
def test_no_plugin_is_left_when_its_engine_is_killed(package: str) -> None:
    engine, pid, _ = _start_engine(package)
    plugin = os.pidfd_open(pid)
    engine.kill()
    engine.wait(timeout=60)
    assert _ends(plugin)


@pytest.mark.parametrize("tied", [(), ("tied",)])
def test_what_runs_is_ended_when_the_engine_is_killed(
    tmp_path: Path, tied: tuple[str, ...]
) -> None:
    engine, pid, address = _start_engine("command", *tied)
    os.mkfifo(tmp_path / "fifo")
    said = os.open(tmp_path / "fifo", os.O_RDWR)
    # Its child is told of, too: at once, when the plugin has hardly begun to follow it.
    script = f"sleep 600 & echo $$ $! > {tmp_path}/fifo; wait"
    with grpc.insecure_channel(address) as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        request = provider_pb2.CreateRequest(
            urn="urn:pulumi:s::p::command:local:Command::it",
            properties=to_struct({"create": script}),
        )
        call = stub.Create.future(request)
        assert select.select([said], [], [], 120)[0], f"the command did not start: {call}"
        commands = [os.pidfd_open(int(number)) for number in os.read(said, 100).split()]
        plugin = os.pidfd_open(pid)
        engine.kill()
        engine.wait(timeout=60)
        assert _ends(plugin)
        assert [_ends(command) for command in commands] == [True, True]


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_plugin_that_is_told_to_end_ends_well(own_command: Plugin, told: signal.Signals) -> None:
    """Pulumi's engine interrupts its plugins, and calls it a bug when they stay for 5 s."""
    own_command.process.send_signal(told)
    # It is the machine's doing how long that takes; a plugin that stays does so for ever.
    assert own_command.process.wait(timeout=60) == 0
