# ruff: noqa: ARG002, N802 - the names and parameters are the protocol's
"""The kubernetes provider: its settings, and resource types that are as many as a cluster has."""

import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from lab.engine.values import Properties, from_struct, lower_outputs, to_struct
from lab.plugins.kubernetes import settings
from lab.plugins.kubernetes.managed import Call, Cluster, Managed
from lab.plugins.kubernetes.objects import Objects
from lab.plugins.kubernetes.release import Release
from lab.plugins.operations import Context
from lab.plugins.resource import Operation
from lab.plugins.serve import Provider

T = TypeVar("T")
_OBJECT = re.compile(r"kubernetes:(?P<api>[a-z0-9.\-]+/[a-z0-9]+):(?P<kind>[A-Z][A-Za-z0-9]*)\Z")
_RELEASE = "kubernetes:helm.sh/v3:Release"
_OTHERS = ("kubernetes:helm.sh/", "kubernetes:yaml", "kubernetes:kustomize")


def _properties(struct: Any) -> Properties:
    lowered: Properties = lower_outputs(from_struct(struct), set())
    return dict(lowered)


class KubernetesProvider(Provider):
    """Serves Release and every kind of object."""

    def __init__(self, engine: str | None) -> None:
        super().__init__("kubernetes", {}, engine=engine)
        self._cluster: Cluster | None = None
        self._objects, self._release = Objects(), Release()

    # The provider's settings

    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: Context
    ) -> provider_pb2.CheckResponse:
        failures = [
            provider_pb2.CheckFailure(property=path, reason=reason)
            for path, reason in settings.problems(_properties(request.news))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: Context
    ) -> provider_pb2.DiffResponse:
        return settings.diff(_properties(request.olds), _properties(request.news))

    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: Context
    ) -> provider_pb2.ConfigureResponse:
        given = _properties(request.args)
        self._cluster = await Cluster.connect(settings.settings(given))
        return await super().Configure(request, context)

    # Resources

    async def Check(
        self, request: provider_pb2.CheckRequest, context: Context
    ) -> provider_pb2.CheckResponse:
        type_, call = await self._call(request.urn, context, seed=request.randomSeed)
        work = type_.check(call, _properties(request.olds), _properties(request.news))
        inputs, problems = await self._run(call, work, context)
        failures = [
            provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in problems
        ]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    async def Diff(
        self, request: provider_pb2.DiffRequest, context: Context
    ) -> provider_pb2.DiffResponse:
        type_, call = await self._call(request.urn, context, ignored=list(request.ignoreChanges))
        work = type_.diff(call, _properties(request.olds), _properties(request.news))
        return await self._run(call, work, context)

    async def Create(
        self, request: provider_pb2.CreateRequest, context: Context
    ) -> provider_pb2.CreateResponse:
        type_, call = await self._call(request.urn, context, timeout=request.timeout)
        inputs = _properties(request.properties)
        if request.preview:
            state = await self._run(call, type_.preview(call, None, inputs), context)
            return provider_pb2.CreateResponse(properties=to_struct(state))
        id_, state = await self._run(call, type_.create(call, inputs), context)
        return provider_pb2.CreateResponse(id=id_, properties=to_struct(state))

    async def Read(
        self, request: provider_pb2.ReadRequest, context: Context
    ) -> provider_pb2.ReadResponse:
        type_, call = await self._call(request.urn, context)
        if not request.properties.fields:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{request.id!r} cannot be looked up or imported by the lab's kubernetes plugin — "
                "declare it without an id and without import, or use the official plugin",
            )
        inputs = _properties(request.inputs)
        work = type_.read(call, request.id, _properties(request.properties), inputs)
        found = await self._run(call, work, context)
        if found is None:
            return provider_pb2.ReadResponse()
        state, inputs = found
        return provider_pb2.ReadResponse(
            id=request.id, properties=to_struct(state), inputs=to_struct(inputs)
        )

    async def Update(
        self, request: provider_pb2.UpdateRequest, context: Context
    ) -> provider_pb2.UpdateResponse:
        ignored = list(request.ignoreChanges)
        type_, call = await self._call(request.urn, context, request.timeout, ignored=ignored)
        state, inputs = _properties(request.olds), _properties(request.news)
        change = type_.preview if request.preview else type_.update
        changed = await self._run(call, change(call, state, inputs), context)
        return provider_pb2.UpdateResponse(properties=to_struct(changed))

    async def Delete(
        self, request: provider_pb2.DeleteRequest, context: Context
    ) -> empty_pb2.Empty:
        type_, call = await self._call(request.urn, context, timeout=request.timeout)
        work = type_.delete(call, request.id, _properties(request.properties))
        await self._run(call, work, context)
        return empty_pb2.Empty()

    # What is served

    async def _call(
        self,
        urn: str,
        context: Context,
        timeout: float = 0,
        seed: bytes = b"",
        ignored: list[str] | None = None,
    ) -> tuple[Managed, Call]:
        """The resource type that a URN is of, and what its methods are told."""
        token = urn.split("::")[2].split("$")[-1]
        type_ = self._release if token == _RELEASE else self._object_type(token)
        if type_ is None:
            await self._refuse_unknown(
                "resource type", token, {_RELEASE: None, "any kind of a cluster": None}, context
            )
        if self._cluster is None:
            message = "the provider is not configured: its kubeconfig is not known yet"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
            raise AssertionError("abort does not return")
        operation = Operation(urn, self._log)
        return type_, Call(operation, self._cluster, timeout, seed, ignored or [])

    def _object_type(self, token: str) -> Managed | None:
        """None for lists, for patches of what others made, and for Pulumi's own components."""
        match = _OBJECT.match(token)
        if not match or token.startswith(_OTHERS) or match["kind"].endswith(("List", "Patch")):
            return None
        return self._objects

    async def _run(self, call: Call, work: Coroutine[Any, Any, T], context: Context) -> T:
        """The work bounds itself: its waits are told customTimeouts, Helm has its own limit."""
        return await self._operations.run(call.operation, work, 0, context)
