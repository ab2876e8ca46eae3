"""The operations that a plugin has under way: bounded, cancelled together, their errors told."""

import asyncio
import sys
import traceback
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from lab.engine.values import to_struct
from lab.plugins.engine_log import ERROR
from lab.plugins.refused import PartlyDoneError, RefusedError
from lab.plugins.resource import Operation

_STATUS_BYTES = 5 * 1024
_STOP_SECONDS = 6

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]


class Operations:
    """What runs now."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._cancelled = False

    async def run(
        self,
        operation: Operation,
        work: Coroutine[Any, Any, T],
        limit: float,
        context: Context,
    ) -> T:
        """Do the work; Cancel, the limit (seconds, 0 is none) and the caller's end stop it."""
        if self._cancelled:
            work.close()
            await self._fail(
                operation,
                context,
                grpc.StatusCode.CANCELLED,
                f"{operation.name}: cancelled before it began",
            )
        task = asyncio.create_task(work)
        self._running.add(task)
        try:
            async with asyncio.timeout(limit or None) as timer:
                return await task
        except TimeoutError:
            if not timer.expired():
                raise
            code, message = (
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"{operation.name}: not done within {limit:g} s, its limit in customTimeouts",
            )
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            code, message = grpc.StatusCode.CANCELLED, f"{operation.name}: cancelled while it ran"
        except PartlyDoneError as partly:
            context.set_trailing_metadata(_details(partly))
            code, message = grpc.StatusCode.UNKNOWN, str(partly)
        except RefusedError as refusal:
            code, message = grpc.StatusCode.UNKNOWN, str(refusal)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            code, message = grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
        finally:
            self._running.discard(task)
        return await self._fail(operation, context, code, message)

    async def _fail(
        self, operation: Operation, context: Context, code: grpc.StatusCode, message: str
    ) -> NoReturn:
        """End the call with an error. A long text goes to the log as well: gRPC carries a
        status in a header, and clients take 8 KiB of those."""
        if len(quote(message)) > _STATUS_BYTES:
            await operation.log.send(operation.urn, message, ERROR)
            message = _shortened(message)
        await context.abort(code, message)
        raise AssertionError("abort does not return")

    def cancel(self) -> set[asyncio.Task[Any]]:
        """End what runs, and give it; nothing more is begun."""
        self._cancelled = True
        running = set(self._running)
        for task in running:
            task.cancel()
        return running

    async def stop(self) -> None:
        """End what runs and wait until it has ended, within bounds."""
        if running := self.cancel():
            await asyncio.wait(running, timeout=_STOP_SECONDS)


def _details(partly: PartlyDoneError) -> tuple[tuple[str, bytes]]:
    """What an engine keeps of a resource that is there but not in order, as gRPC carries it
    (https://grpc.io/docs/guides/error/#richer-error-model)."""
    failed = provider_pb2.ErrorResourceInitFailed(
        id=partly.id, properties=to_struct(partly.state), reasons=partly.reasons
    )
    if partly.inputs is not None:
        failed.inputs.CopyFrom(to_struct(partly.inputs))
    detail = any_pb2.Any()
    detail.Pack(failed)
    status = status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0], message=str(partly)[:_STATUS_BYTES], details=[detail]
    )
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _shortened(message: str) -> str:
    """The beginning and the end of a long text, as much as fits a status."""
    half = _STATUS_BYTES // 2
    while True:
        left_out = f"[... {len(message) - 2 * half} characters, shown in the log ...]"
        text = f"{message[:half]}\n{left_out}\n{message[-half:]}"
        if len(quote(text)) <= _STATUS_BYTES:
            return text
        half = half * 3 // 4
