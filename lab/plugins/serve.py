# ruff: noqa: ARG002, N802 - the names and parameters are the protocol's
"""A provider plugin: Pulumi's ResourceProvider service, and the process around it.

Source of the protocol: ``proto/pulumi/provider.proto`` in pulumi/pulumi, whose stubs are in the
pulumi wheel.
"""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.engine.values import Properties, Value, from_struct, lower_outputs, to_struct
from lab.plugins.engine_log import EngineLog
from lab.plugins.lifetime import EngineLife
from lab.plugins.operations import Context, Operations
from lab.plugins.resource import Operation, Resource
from lab.plugins.sdk import wheel_version

_MESSAGE_BYTES = 400 * 1024 * 1024  # as the engine's own limit
_CONFIGURATION = {"version", "pluginDownloadURL"}

Function = Callable[[Operation, Properties], Coroutine[Any, Any, Properties]]
Check = Callable[[Properties], list[tuple[str, str]]]


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
        self._operations = Operations()

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
        given = {key for key in request.news.fields if not key.startswith("__")}
        failures = [
            provider_pb2.CheckFailure(
                property=key, reason=f"{self.package} has no such setting — leave it out"
            )
            for key in sorted(given - _CONFIGURATION)
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
        self._operations.cancel()
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
        id_, state = await self._operations.run(
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
        changed = await self._operations.run(
            operation, resource.update(operation, state, inputs), request.timeout, context
        )
        return provider_pb2.UpdateResponse(properties=to_struct(changed))

    async def Delete(
        self, request: provider_pb2.DeleteRequest, context: Context
    ) -> empty_pb2.Empty:
        resource = await self._resource(request.urn, context)
        operation = Operation(request.urn, self._log)
        state = _properties(request.properties)
        await self._operations.run(
            operation, resource.delete(operation, state), request.timeout, context
        )
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
        result = await self._operations.run(operation, function(operation, arguments), 0, context)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(result))
        return response

    # What is served, and its end

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

    async def stop(self) -> None:
        """End what runs."""
        await self._operations.stop()


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
