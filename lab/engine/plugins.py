"""A provider plugin's process, and its calls made as gRPC with errors that people can read."""

import contextlib
import os
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.engine import processes
from lab.engine.errors import USE_THE_CLI, EngineError, refuse

GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", 400 << 20),
    ("grpc.max_send_message_length", 400 << 20),
    # A resource that did not become healthy comes in a header; Go's clients take as much.
    ("grpc.max_metadata_size", 16 << 20),
    ("grpc.absolute_max_metadata_size", 16 << 20),
]
PACKAGES = ("command", "random", "tls", "kubernetes")
_SECONDS_TO_START = 30
_SECONDS_TO_CANCEL = 2
_LINES_KEPT = 50


class ProviderError(EngineError):
    """A provider's answer that is an error.

    ``partial`` is set when the resource exists all the same but did not become healthy.
    """

    def __init__(self, package: str, method: str, error: grpc.RpcError) -> None:
        self.code: grpc.StatusCode = error.code()
        self.partial = _partial_failure(error)
        reasons = f": {'; '.join(self.partial.reasons)}" if self.partial else ""
        super().__init__(f"{package}.{method}: {error.details()}{reasons}")


class Plugin:
    """A running provider plugin."""

    def __init__(
        self,
        package: str,
        version: str,
        engine_address: str,
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        """Start it. ``folder``: where it runs. ``tell`` hears what it writes on stderr."""
        self.package = package
        program = find(package, version)
        self._tail: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process = processes.spawn([str(program), engine_address], folder, {})
        self.address = f"127.0.0.1:{self._port(tell)}"
        self._channel = grpc.insecure_channel(self.address, options=GRPC_OPTIONS)
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._handshake(engine_address, program.parent)

    takes_secrets = takes_references = takes_previews = False
    """What the plugin said it understands."""
    negotiated = False
    """Whether it said so in the handshake; else it says it in the answer to Configure."""

    def _port(self, tell: Callable[[str], None]) -> str:
        """The port is the first line on stdout; all that follows is for people."""
        process, tail = self._process, self._tail
        first: queue.Queue[str] = queue.Queue(maxsize=1)

        def on_output(line: str) -> None:
            if first.empty() and not hasattr(self, "address"):
                first.put(line)

        def on_error(line: str) -> None:
            tail.append(line)
            tell(line)

        output = processes.follow(process.stdout, on_output)
        errors = processes.follow(process.stderr, on_error)
        deadline = time.monotonic() + _SECONDS_TO_START
        while output.is_alive() and first.empty() and time.monotonic() < deadline:
            output.join(0.005)
        port = "" if first.empty() else first.get()
        if port.strip().isdigit():
            return port.strip()
        processes.stop(process)
        errors.join(_SECONDS_TO_CANCEL)
        raise EngineError(
            f"plugin pulumi-resource-{self.package} did not start — it printed {port!r} instead of "
            f"a port — its last lines: {' | '.join(tail) or '(none)'}"
        )

    def _handshake(self, engine_address: str, folder: Path) -> None:
        request = provider_pb2.ProviderHandshakeRequest(
            engine_address=engine_address,
            root_directory=str(folder),
            program_directory=str(folder),
            configure_with_urn=True,
            invoke_with_preview=True,
        )
        try:
            answer = self._stub.Handshake(request, timeout=_SECONDS_TO_START, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise ProviderError(self.package, "Handshake", error) from error
            return
        self.takes_secrets = answer.accept_secrets
        self.takes_references = answer.accept_resources
        self.takes_previews = self.negotiated = True

    def call(self, method: str, request: Any) -> Any:
        """Call ``method``; an error comes as ``ProviderError``."""
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            failure = ProviderError(self.package, method, error)
            if failure.code == grpc.StatusCode.UNAVAILABLE and self._process.poll() is not None:
                raise EngineError(
                    f"plugin pulumi-resource-{self.package} died during {method} — its last "
                    f"lines: {' | '.join(self._tail) or '(none)'}"
                ) from error
            raise failure from error

    def cancel(self) -> None:
        """Ask it to give up what it is doing."""
        with contextlib.suppress(grpc.RpcError):  # optional in the protocol, and it may be gone
            self._stub.Cancel(empty_pb2.Empty(), timeout=_SECONDS_TO_CANCEL)

    def close(self) -> None:
        self._channel.close()
        processes.stop(self._process)


def find(package: str, version: str) -> Path:
    """The plugin's program: on the PATH, else among the plugins of PULUMI_HOME."""
    allowed = {*PACKAGES, *os.environ.get("LAB_ENGINE_TEST_PACKAGES", "").split(",")}
    if package not in allowed:
        raise refuse(
            f"provider package {package!r} (only {', '.join(PACKAGES)} are for the lab)",
            f"for a real cloud {USE_THE_CLI}",
        )
    name = f"pulumi-resource-{package}"
    if on_path := shutil.which(name):
        return Path(on_path).absolute()
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    installed = home / "plugins" / f"resource-{package}-v{version}" / name
    if version and installed.exists():
        return installed.absolute()
    raise EngineError(
        f"no plugin {name} — it is neither on the PATH nor at {installed} — put "
        "lab/plugins/bin on the PATH (make does), or install the plugin"
    )


def _partial_failure(error: grpc.RpcError) -> "provider_pb2.ErrorResourceInitFailed | None":
    trailers: Any = error.trailing_metadata() or ()
    for key, value in trailers:
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            failed = provider_pb2.ErrorResourceInitFailed()
            if detail.Is(failed.DESCRIPTOR) and detail.Unpack(failed):
                return failed
    return None
