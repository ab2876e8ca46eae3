# ruff: noqa: ARG002, N802 - the names and parameters are the protocol's
"""A provider plugin: Pulumi's ResourceProvider service, and the process around it.

Source of the protocol: ``proto/pulumi/provider.proto`` in pulumi/pulumi, whose stubs are in the
pulumi wheel.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.engine.values import Properties, Value, from_struct, lower_outputs, to_struct
from lab.plugins.engine_log import ERROR, EngineLog
from lab.plugins.lifetime import EngineLife
from lab.plugins.refused import RefusedError
from lab.plugins.resource import Operation, Resource
from lab.plugins.sdk import wheel_version

_MESSAGE_BYTES = 400 * 1024 * 1024  # as the engine's own limit
_STATUS_BYTES = 5 * 1024
_STOP_SECONDS = 6
_CONFIGURATION = {"version", "pluginDownloadURL", "__internal", "__pulumi-go-provider-infer"}

Function = Callable[[Operation, Properties], Coroutine[Any, Any, Properties]]
Check = Callable[[Properties], list[tuple[str, str]]]
T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]


def _properties(struct: Any) -> Properties:
    lowered: Value = lower_outputs(from_struct(struct), set())
    return dict(lowered)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves the resource types and functions of one package."""

    def __init__(
        self,
        package: str,
        resources: Mapping[str, Resource],
        functions: Mapping[str, tuple[Check, Function]] | None = None,
        engine: str | None = None,
    ) -> None:
        self.package = package
        self.version = wheel_version(package)
        self._resources = resources
        self._functions = functions or {}
        self._log = EngineLog(engine)
        self._running: set[asyncio.Task[Any]] = set()
        self._cancelled = False

    # The plugin itself

    async def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        if request.engine_address and request.engine_address != self._log.address:
            self._log = EngineLog(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True
        )

    async def GetPluginInfo(
        self, request: empty_pb2.Empty, context: Context
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.version)

    async def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: Context
    ) -> provider_pb2.GetSchemaResponse:
        schema = {"name": self.package, "version": self.version}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: Context
    ) -> provider_pb2.CheckResponse:
        unknown = sorted(request.news.fields.keys() - _CONFIGURATION)
        failures = [
            provider_pb2.CheckFailure(
                property=key, reason=f"{self.package} has no such setting — leave it out"
            )
            for key in unknown
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: Context
    ) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: Context
    ) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    async def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        self._cancelled = True
        for task in self._running:
            task.cancel()
        return empty_pb2.Empty()

    # Resources

    async def Check(
        self, request: provider_pb2.CheckRequest, context: Context
    ) -> provider_pb2.CheckResponse:
        resource = await self._resource(request.urn, context)
        inputs, problems = resource.check(_properties(request.news))
        failures = [
            provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in problems
        ]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    async def Diff(
        self, request: provider_pb2.DiffRequest, context: Context
    ) -> provider_pb2.DiffResponse:
        resource = await self._resource(request.urn, context)
        return resource.diff(_properties(request.old_inputs), _properties(request.news))

    async def Create(
        self, request: provider_pb2.CreateRequest, context: Context
    ) -> provider_pb2.CreateResponse:
        resource = await self._resource(request.urn, context)
        inputs = _properties(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=to_struct(resource.preview_create(inputs))
            )
        operation = Operation(request.urn, self._log)
        id_, state = await self._run(
            operation, resource.create(operation, inputs), request.timeout, context
        )
        return provider_pb2.CreateResponse(id=id_, properties=to_struct(state))

    async def Read(
        self, request: provider_pb2.ReadRequest, context: Context
    ) -> provider_pb2.ReadResponse:
        resource = await self._resource(request.urn, context)
        if not request.properties.fields:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{resource.inputs.name} with id {request.id!r} cannot be looked up or imported "
                "— nothing of it can be seen from outside the state — declare it without an id",
            )
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    async def Update(
        self, request: provider_pb2.UpdateRequest, context: Context
    ) -> provider_pb2.UpdateResponse:
        resource = await self._resource(request.urn, context)
        state, inputs = _properties(request.olds), _properties(request.news)
        if request.preview:
            preview = resource.preview_update(state, inputs)
            return provider_pb2.UpdateResponse(properties=to_struct(preview))
        operation = Operation(request.urn, self._log)
        changed = await self._run(
            operation, resource.update(operation, state, inputs), request.timeout, context
        )
        return provider_pb2.UpdateResponse(properties=to_struct(changed))

    async def Delete(
        self, request: provider_pb2.DeleteRequest, context: Context
    ) -> empty_pb2.Empty:
        resource = await self._resource(request.urn, context)
        operation = Operation(request.urn, self._log)
        state = _properties(request.properties)
        await self._run(operation, resource.delete(operation, state), request.timeout, context)
        return empty_pb2.Empty()

    # Functions

    async def Invoke(
        self, request: provider_pb2.InvokeRequest, context: Context
    ) -> provider_pb2.InvokeResponse:
        if request.tok not in self._functions:
            await self._refuse_unknown("function", request.tok, self._functions, context)
        check, function = self._functions[request.tok]
        arguments = _properties(request.args)
        failures = [
            provider_pb2.CheckFailure(property=path, reason=reason)
            for path, reason in check(arguments)
        ]
        if failures:
            return provider_pb2.InvokeResponse(failures=failures)
        operation = Operation("", self._log)
        result = await self._run(operation, function(operation, arguments), 0, context)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(result))
        return response

    # How operations run

    async def _resource(self, urn: str, context: Context) -> Resource:
        token = urn.split("::")[2].split("$")[-1]
        if token not in self._resources:
            await self._refuse_unknown("resource type", token, self._resources, context)
        return self._resources[token]

    async def _refuse_unknown(
        self, what: str, token: str, known: Mapping[str, Any], context: Context
    ) -> NoReturn:
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"{token}: the lab's {self.package} plugin has no such {what} — use one of: "
            f"{', '.join(sorted(known)) or 'none'} — or the official plugin",
        )
        raise AssertionError("abort does not return")

    async def _run(
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
            await self._log.send(operation.urn, message, ERROR)
            message = _shortened(message)
        await context.abort(code, message)
        raise AssertionError("abort does not return")

    async def stop(self) -> None:
        """Cancel what runs and wait for its end, within bounds."""
        self._cancelled = True
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_STOP_SECONDS)


def _shortened(message: str) -> str:
    """The beginning and the end of a long text, as much as fits a status."""
    half = _STATUS_BYTES // 2
    while True:
        left_out = f"[... {len(message) - 2 * half} characters, shown in the log ...]"
        text = f"{message[:half]}\n{left_out}\n{message[-half:]}"
        if len(quote(text)) <= _STATUS_BYTES:
            return text
        half = half * 3 // 4


async def serve(make: Callable[[str | None], Provider], engine: str | None) -> None:
    """Serve until the engine ends; the port is the first line on standard output."""
    engine_life = EngineLife()
    provider = make(engine)
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ]
    server = grpc.aio.server(options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)

    await engine_life.end()
    await provider.stop()
    await server.stop(grace=None)
