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

_ENGINE = """
import subprocess, sys
plugin = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(plugin.pid, plugin.stdout.readline().strip(), flush=True)
plugin.wait()
"""


def _start_engine(package: str) -> tuple["subprocess.Popen[str]", int, str]:
    """A process that starts the plugin as an engine does: (process, plugin's pid, address)."""
    engine = subprocess.Popen(
        [sys.executable, "-c", _ENGINE, str(BIN / f"pulumi-resource-{package}")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    pid, port = engine.stdout.readline().split()
    return engine, int(pid), f"127.0.0.1:{port}"


def _ends(pidfd: int, seconds: float = 8) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


@pytest.mark.parametrize("package", ["command", "random", "tls"])
def test_no_plugin_is_left_when_its_engine_is_killed(package: str) -> None:
    engine, pid, _ = _start_engine(package)
    plugin = os.pidfd_open(pid)
    engine.kill()
    engine.wait(timeout=5)
    assert _ends(plugin)


def test_what_runs_is_ended_when_the_engine_is_killed(tmp_path: Path) -> None:
    engine, pid, address = _start_engine("command")
    os.mkfifo(tmp_path / "fifo")
    said = os.open(tmp_path / "fifo", os.O_RDWR)
    script = f"echo $$ > {tmp_path}/fifo; sleep 60; true"
    with grpc.insecure_channel(address) as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        request = provider_pb2.CreateRequest(
            urn="urn:pulumi:s::p::command:local:Command::it",
            properties=to_struct({"create": script}),
        )
        call = stub.Create.future(request)
        assert select.select([said], [], [], 10)[0], f"the command did not start: {call}"
        command = os.pidfd_open(int(os.read(said, 100)))
        plugin = os.pidfd_open(pid)
        engine.kill()
        engine.wait(timeout=5)
        assert _ends(plugin)
        assert _ends(command)


def test_a_plugin_that_is_told_to_end_ends_well(own_command: Plugin) -> None:
    own_command.process.send_signal(signal.SIGTERM)
    assert own_command.process.wait(timeout=5) == 0
