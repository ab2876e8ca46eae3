"""The two services that the program talks to: ResourceMonitor and Engine.

They run in separate servers: providers call Engine.Log in the middle of a step, and must not
wait behind registrations that wait for a slot. What is not implemented answers UNIMPLEMENTED or
is refused with a message (see ``_REFUSED``).
"""
# ruff: noqa: N802, ARG002 - the methods' names and arguments are the protocol's

import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import resource_pb2 as rp

from lab.engine import urns
from lab.engine.backend import ORGANIZATION
from lab.engine.errors import USE_THE_CLI, CancelledError, EngineError, refuse
from lab.engine.plugins import GRPC_OPTIONS
from lab.engine.register import Registrar
from lab.engine.resources import Resource
from lab.engine.run import Run
from lab.engine.values import Properties, from_struct, lower_outputs, secret_strings, to_struct

_T = TypeVar("_T")
_MONITOR_THREADS = 512  # each registration holds one until its step has ended
_ENGINE_THREADS = 32
_SEVERITIES = ("debug", "info", "warning", "error")
_STOPPED = "resource monitor shut down"
_FEATURES = {
    "secrets": "SECRETS",
    "resourceReferences": "RESOURCE_REFERENCES",
    "outputValues": "OUTPUT_VALUES",
    "aliasSpecs": "ALIAS_SPECS",
    "deletedWith": "DELETED_WITH",
    "replaceWith": "REPLACE_WITH",
    "replacementTrigger": "REPLACEMENT_TRIGGER",
    # Announced so that the SDK asks and is refused by name, instead of asking for a newer CLI:
    "transforms": "TRANSFORMS",
    "invokeTransforms": "INVOKE_TRANSFORMS",
    "parameterization": "PARAMETERIZATION",
    "resourceHooks": "RESOURCE_HOOKS",
    "errorHooks": "ERROR_HOOKS",
    "stateMigrations": "STATE_MIGRATIONS",
}
_REFUSED = {
    "Call": "a method call on a resource (Call)",
    "RegisterStackTransform": "a stack transform",
    "RegisterStackInvokeTransform": "a stack invoke transform",
    "RegisterResourceHook": "a resource hook",
    "RegisterErrorHook": "an error hook",
    "RegisterPackage": "a parameterized package (RegisterPackage)",
}


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """What the program registers, reads and invokes."""

    def __init__(self, run: Run, registrar: Registrar) -> None:
        self._run, self._registrar = run, registrar
        self.stack_outputs: tuple[Resource, Properties] | None = None
        """Decided last: after an error the outputs that are missing are kept."""
        for method, what in _REFUSED.items():
            setattr(self, method, self._refusal(what))

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        run = self._run
        return rp.DeploymentInfo(
            project=run.project,
            stack=run.stack,
            organization=ORGANIZATION,
            config=run.config.values,
            configSecretKeys=run.config.secret_keys,
            dryRun=run.dry,
            parallel=run.parallel,
            supportedFeatures=[
                rp.ResourceMonitorFeature.Value(f"RESOURCE_MONITOR_FEATURE_{name}")
                for name in _FEATURES.values()
            ],
        )

    def SupportsFeature(self, request: Any, context: grpc.ServicerContext) -> Any:
        return rp.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    def RegisterResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: self._registrar.register(request))

    def ReadResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: self._registrar.read(request))

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: self._invoke(request), fatal=False)

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> Any:
        def record() -> Any:
            resource = self._run.state.find(request.urn)
            if resource is None:
                raise EngineError(f"outputs for the unknown resource {request.urn}")
            outputs = lower_outputs(from_struct(request.outputs), set())
            self._run.events.hide(secret_strings(outputs))
            if urns.type_of(resource.urn) == urns.STACK_TYPE:
                self.stack_outputs = (resource, outputs)
            else:
                resource.outputs = outputs
                self._run.state.commit(changed=[resource])
            return empty_pb2.Empty()

        return self._answer(context, record)

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._run.program_done.set()
        self._run.finished.wait()
        return empty_pb2.Empty()

    def _invoke(self, request: rp.ResourceInvokeRequest) -> rp.ResourceInvokeResponse:
        run = self._run
        if request.tok == "pulumi:pulumi:getResource":
            return self._get_resource(from_struct(request.args)["urn"])
        package = urns.package_of(request.tok)
        reference = request.provider or self._registrar.default_provider(
            package, request.version, request.pluginDownloadURL
        )
        provider = run.providers.ensure(reference)
        if not provider.known:
            return rp.ResourceInvokeResponse(unknown=True)
        arguments = lower_outputs(from_struct(request.args), set())
        answer: pb.InvokeResponse = provider.invoke(request.tok, arguments)
        return _invoked(getattr(answer, "return"), answer.failures)

    def _get_resource(self, urn: str) -> rp.ResourceInvokeResponse:
        resource = self._run.state.find(urn)
        if resource is None:
            raise EngineError(f"unknown resource {urn}")
        found = {"urn": urn, "id": resource.id, "state": resource.outputs}
        return _invoked(to_struct(found))

    def _refusal(self, what: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def refused(_: Any, context: grpc.ServicerContext) -> Any:
            def raise_it() -> Any:
                raise refuse(what, USE_THE_CLI)

            return self._answer(context, raise_it)

        return refused

    def _answer(
        self, context: grpc.ServicerContext, work: Callable[[], _T], fatal: bool = True
    ) -> _T:
        """The result of ``work``. A fatal error ends the run; another one is the program's."""
        try:
            with self._run.activity:
                return work()
        except CancelledError:
            code, message = grpc.StatusCode.UNAVAILABLE, _STOPPED
        except EngineError as error:
            code, message = grpc.StatusCode.UNKNOWN, str(error)
            if fatal:
                self._run.fail(message)
                self._run.cancelled.set()
                code, message = grpc.StatusCode.UNAVAILABLE, _STOPPED
        except Exception:  # a bug of the engine ends the run, not one thread
            self._run.fail("engine bug:\n" + traceback.format_exc())
            self._run.cancelled.set()
            code, message = grpc.StatusCode.UNAVAILABLE, _STOPPED
        context.abort(code, message)
        raise AssertionError("abort always raises")


def _invoked(result: Any, failures: Any = ()) -> rp.ResourceInvokeResponse:
    fields: dict[str, Any] = {"return": result}  # a keyword of Python's
    return rp.ResourceInvokeResponse(**fields, failures=failures)


class EngineService(engine_pb2_grpc.EngineServicer):
    """Messages to the user, and the URN of the root."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._root = ""

    def Log(self, request: Any, context: grpc.ServicerContext) -> Any:
        severity = _SEVERITIES[request.severity]
        if severity == "error":
            self._run.fail(request.message, request.urn)
        else:
            self._run.events.said(severity, request.message, request.urn)
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        return engine_pb2.RequirePulumiVersionResponse()


def serve(add: Callable[[grpc.Server], None], threads: int) -> tuple[grpc.Server, str]:
    """Start a server on loopback; gives it and its address."""
    server = grpc.server(ThreadPoolExecutor(threads), options=GRPC_OPTIONS)
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def serve_monitor(monitor: Monitor) -> tuple[grpc.Server, str]:
    def add(server: grpc.Server) -> None:
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)

    return serve(add, _MONITOR_THREADS)


def serve_engine(service: EngineService) -> tuple[grpc.Server, str]:
    def add(server: grpc.Server) -> None:
        engine_pb2_grpc.add_EngineServicer_to_server(service, server)

    return serve(add, _ENGINE_THREADS)
