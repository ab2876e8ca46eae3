"""A plugin's executable, started and spoken to as an engine does it."""

import os
import queue
import select
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)

from lab.engine.values import Properties, from_struct, to_struct

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "lab" / "plugins" / "bin"
# Nothing takes so long: that a call ends at all is what this sees to.
_CALL_SECONDS = 400
_END_SECONDS = 60
_FLAGS = ("--logtostderr", "-v=9", "--tracing", "file:/dev/null")


class RecordingEngine(engine_pb2_grpc.EngineServicer):
    """Takes the log messages of a plugin."""

    def __init__(self) -> None:
        self.messages: list[engine_pb2.LogRequest] = []
        self.arrived: queue.Queue[engine_pb2.LogRequest] = queue.Queue()

    def Log(self, request: engine_pb2.LogRequest, context: Any) -> empty_pb2.Empty:  # noqa: ARG002, N802
        self.messages.append(request)
        self.arrived.put(request)
        return empty_pb2.Empty()

    def forget(self) -> None:
        """Begin anew."""
        self.messages.clear()
        while not self.arrived.empty():
            self.arrived.get_nowait()

    def status_lines(self) -> list[str]:
        """All lines that were sent as passing status."""
        return [line for m in self.messages if m.ephemeral for line in m.message.split("\n")]

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Wait until a message with the text has come."""
        while text not in self.arrived.get(timeout=seconds).message:
            pass


def error_of(call: Callable[[], Any]) -> str:
    """The text of the error that a call to a plugin must end with."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return str(cast("grpc.Call", raised.value).details())


def outlives(begun: Path, create: Callable[[float], Any]) -> str:
    """The error of a command that is begun and then outlives its time limit, in seconds.

    It writes into the file `begun` when it begins, which a busy machine may have no time for.
    """
    for seconds in (0.5, 5, 50):
        text = error_of(lambda limit=seconds: create(limit))  # type: ignore[misc]
        assert f"not done within {seconds:g} s" in text
        if begun.exists() and begun.read_text().strip():
            return text
    return pytest.fail(f"not begun within {seconds:g} s")


def wait_until_gone(pid: int) -> None:
    """Waits until a process has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([process], [], [], _END_SECONDS)[0], f"process {pid} still runs"
    os.close(process)


@dataclass
class Plugin:
    """The calls of an engine, with plain properties in and out."""

    process: "subprocess.Popen[str]"
    engine: RecordingEngine
    stub: Any
    failures: dict[str, str] = field(default_factory=dict)

    def urn(self, type_: str, name: str = "it") -> str:
        return f"urn:pulumi:test::test::{type_}::{name}"

    def configure(self, settings: Properties) -> None:
        request = provider_pb2.ConfigureRequest(args=to_struct(settings))
        self.stub.Configure(request, timeout=_CALL_SECONDS)

    def check(
        self, type_: str, inputs: Properties, old: Properties | None = None, seed: bytes = b""
    ) -> Properties:
        """The checked inputs; what was wrong with them is in ``failures``."""
        request = provider_pb2.CheckRequest(
            urn=self.urn(type_), news=to_struct(inputs), olds=to_struct(old or {}), randomSeed=seed
        )
        response = self.stub.Check(request, timeout=_CALL_SECONDS)
        self.failures = {failure.property: failure.reason for failure in response.failures}
        return from_struct(response.inputs)

    def create(
        self, type_: str, inputs: Properties, *, preview: bool = False, timeout: float = 0
    ) -> tuple[str, Properties]:
        """(id, state)."""
        request = provider_pb2.CreateRequest(
            urn=self.urn(type_), properties=to_struct(inputs), preview=preview, timeout=timeout
        )
        response = self.stub.Create(request, timeout=_CALL_SECONDS)
        return response.id, from_struct(response.properties)

    def start_create(self, type_: str, inputs: Properties) -> Any:
        """A creation under way; ``result`` waits for the answer."""
        request = provider_pb2.CreateRequest(urn=self.urn(type_), properties=to_struct(inputs))
        return self.stub.Create.future(request, timeout=_CALL_SECONDS)

    def make(self, type_: str, inputs: Properties) -> Properties:
        """Check and create, as an engine does; the state."""
        checked = self.check(type_, inputs)
        assert not self.failures
        return self.create(type_, checked)[1]

    def diff(
        self,
        type_: str,
        old: Properties,
        new: Properties,
        state: Properties | None = None,
        ignored: Sequence[str] = (),
    ) -> Any:
        request = provider_pb2.DiffRequest(
            urn=self.urn(type_),
            old_inputs=to_struct(old),
            olds=to_struct(state or {}),
            news=to_struct(new),
            ignoreChanges=ignored,
        )
        return self.stub.Diff(request, timeout=_CALL_SECONDS)

    def update(
        self, type_: str, state: Properties, inputs: Properties, *, preview: bool = False
    ) -> Properties:
        request = provider_pb2.UpdateRequest(
            id="it-1",
            urn=self.urn(type_),
            olds=to_struct(state),
            news=to_struct(inputs),
            preview=preview,
        )
        return from_struct(self.stub.Update(request, timeout=_CALL_SECONDS).properties)

    def delete(self, type_: str, state: Properties, id_: str = "it-1") -> None:
        request = provider_pb2.DeleteRequest(
            id=id_, urn=self.urn(type_), properties=to_struct(state)
        )
        self.stub.Delete(request, timeout=_CALL_SECONDS)

    def read(self, type_: str, state: Properties, inputs: Properties) -> Any:
        request = provider_pb2.ReadRequest(
            id="it-1", urn=self.urn(type_), properties=to_struct(state), inputs=to_struct(inputs)
        )
        return self.stub.Read(request, timeout=_CALL_SECONDS)

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """The result of a function; what was wrong with the arguments is in ``failures``."""
        request = provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments))
        response = self.stub.Invoke(request, timeout=_CALL_SECONDS)
        self.failures = {failure.property: failure.reason for failure in response.failures}
        return from_struct(getattr(response, "return"))

    def cancel(self) -> None:
        self.stub.Cancel(empty_pb2.Empty(), timeout=_CALL_SECONDS)

    def info(self) -> plugin_pb2.PluginInfo:
        info: plugin_pb2.PluginInfo = self.stub.GetPluginInfo(
            empty_pb2.Empty(), timeout=_CALL_SECONDS
        )
        return info


@contextmanager
def running(package: str, environment: dict[str, str] | None = None) -> Iterator[Plugin]:
    """The plugin of a package, ended with the block."""
    engine = RecordingEngine()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    process = subprocess.Popen(
        # With flags, as Pulumi's engine has them under ``--logflow --logtostderr --tracing``.
        [BIN / f"pulumi-resource-{package}", *_FLAGS, f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"} | (environment or {}),
    )
    try:
        assert process.stdout is not None
        address = f"127.0.0.1:{int(process.stdout.readline())}"
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(address, options=options) as channel:
            yield Plugin(process, engine, provider_pb2_grpc.ResourceProviderStub(channel))
    finally:
        process.terminate()
        process.wait(timeout=_END_SECONDS)
        server.stop(None)
