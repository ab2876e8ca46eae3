"""Lines for the engine's display, over its own ``Engine.Log``."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_MESSAGE_CHARACTERS = 32 * 1024
_CALL_SECONDS = 10

INFO, WARNING, ERROR = engine_pb2.INFO, engine_pb2.WARNING, engine_pb2.ERROR


class EngineLog:
    """Where messages go: the engine at ``address`` (host:port), or standard error without one."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._engine: engine_pb2_grpc.EngineAsyncStub | None = None
        if address:
            options = [("grpc.max_send_message_length", -1)]
            channel = grpc.aio.insecure_channel(address, options=options)
            stub = engine_pb2_grpc.EngineStub(channel)
            self._engine = cast("engine_pb2_grpc.EngineAsyncStub", stub)

    async def send(
        self,
        urn: str,
        message: str,
        severity: engine_pb2.LogSeverity.ValueType = INFO,
        *,
        ephemeral: bool = False,
    ) -> None:
        """Show ``message`` with the resource; an ephemeral one is its status, not a diagnostic.

        What the engine does not take goes to standard error: an operation is not to fail of it.
        """
        if self._engine is None:
            print(message, file=sys.stderr, flush=True)
            return
        request = engine_pb2.LogRequest(
            severity=severity, message=message, urn=urn, ephemeral=ephemeral
        )
        try:
            await self._engine.Log(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            reason = f"the engine did not take this ({error.details()}):"
            print(reason, message, sep="\n", file=sys.stderr, flush=True)

    async def status(self, urn: str, message: str) -> None:
        """A passing line of the resource's progress."""
        await self.send(urn, message, ephemeral=True)

    @asynccontextmanager
    async def lines(self, urn: str) -> "AsyncIterator[LineFeed]":
        """A feed for output as it comes; all of it is sent when the block ends."""
        feed = LineFeed(self, urn)
        try:
            yield feed
        finally:
            await feed.finish()


class LineFeed:
    """Output cut into lines and sent in order; what piles up meanwhile goes as one message."""

    def __init__(self, log: EngineLog, urn: str) -> None:
        self._log = log
        self._urn = urn
        self._rests: dict[str, bytes] = {}
        self._lines: list[str] = []
        self._sender: asyncio.Task[None] | None = None

    def feed(self, stream: str, data: bytes) -> None:
        """Take what came on one of the streams, whose lines stay whole."""
        *lines, self._rests[stream] = (self._rests.get(stream, b"") + data).split(b"\n")
        self._add(lines)

    async def finish(self) -> None:
        """Send what is left, the last lines without their newline included."""
        self._add([rest for rest in self._rests.values() if rest])
        self._rests.clear()
        if self._sender:
            await self._sender

    def _add(self, lines: list[bytes]) -> None:
        self._lines += [line.decode(errors="replace") for line in lines]
        if self._lines and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._lines:
            batch, self._lines = self._lines, []
            for message in _messages(batch):
                await self._log.status(self._urn, message)


def _messages(lines: list[str]) -> list[str]:
    """The lines joined to as few messages as their size allows."""
    messages: list[str] = []
    for line in lines:
        if messages and len(messages[-1]) + len(line) < _MESSAGE_CHARACTERS:
            messages[-1] += "\n" + line
        else:
            messages.append(line)
    return messages
