"""Runs the program against a monitor that records every registration, options included.

Pulumi's own mocks show inputs only. What keeps a cluster alive stands in the options: the order of
replacement, what is ignored, what goes with what.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import struct_pb2
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime.stack import run_in_stack

from tests.unit import answers_aws, answers_digitalocean

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
CA_HASH = "ab" * 32
OPERATOR_KEY = "k3s:operatorKey"
SECRETS = "k3s:secrets"
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- {name: default, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Q0E=}}
users: [{name: default, user: {client-key-data: S0VZ}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
"""


@dataclass(frozen=True)
class Secret:
    """A value that was registered as a secret."""

    value: Any


@dataclass(frozen=True)
class Registration:
    """One resource as the program registered it.

    `inputs` are without secret wrappers; in `marked` each secret is a `Secret`, however deep.
    `id` and `outputs` are what was answered, outputs without wrappers too.
    """

    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    marked: Mapping[str, Any]
    secret_inputs: frozenset[str]
    dependencies: frozenset[str]
    request: Any
    id: str
    outputs: Mapping[str, Any]

    def ignores(self) -> list[str]:
        return list(self.request.ignoreChanges)


@dataclass
class Recording:
    """All registrations by name (components by type), and the stack's outputs.

    `registrations` has all of them, also those of one name and different types.
    """

    resources: dict[str, Registration] = field(default_factory=dict)
    registrations: list[Registration] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: set[str] = field(default_factory=set)

    def of_type(self, token: str) -> list[Registration]:
        return [resource for resource in self.registrations if resource.type == token]


class _Monitor(pulumi_mocks.MockMonitor):
    def __init__(self, recording: Recording, provider: "_Provider") -> None:
        super().__init__(provider)
        self._recording = recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            raw = _from_struct(request.object)
            dependencies = {
                *request.dependencies,
                *(urn for entry in request.propertyDependencies.values() for urn in entry.urns),
            }
            key = request.name if request.custom else request.type
            made = Registration(
                type=request.type,
                name=request.name,
                parent=_name_of(request.parent),
                inputs={key: _plain(value) for key, value in raw.items()},
                marked={key: _marked(value) for key, value in raw.items()},
                secret_inputs=frozenset(key for key, value in raw.items() if _holds_secret(value)),
                dependencies=frozenset(map(_name_of, dependencies)),
                request=request,
                id=response.id,
                outputs={k: _plain(v) for k, v in _from_struct(response.object).items()},
            )
            twice = [r for r in self._recording.of_type(made.type) if r.name == made.name]
            assert not twice, f"{made.type} {made.name} is registered twice: one URN for both"
            self._recording.resources[key] = made
            self._recording.registrations.append(made)
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        if "pulumi:pulumi:Stack" in request.urn:
            raw = _from_struct(request.outputs)
            self._recording.outputs = {key: _plain(value) for key, value in raw.items()}
            self._recording.secret_outputs = {k for k, v in raw.items() if _holds_secret(v)}
        return super().RegisterResourceOutputs(request)


class _Provider(pulumi_mocks.Mocks):
    """Answers with what the providers would, in the same secrecy.

    `last` are the outputs that the stack's last `up` left.
    """

    def __init__(self, last: Mapping[str, Any]) -> None:
        self.last = last

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict]:
        outputs = dict(args.inputs)
        if args.typ.startswith("command:"):
            # Its outputs depend on all inputs: the key of a connection makes them secret.
            outputs["stdout"] = pulumi.Output.secret(_stdout(args.name))
        elif args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = pulumi.Output.secret(f"{args.name}-made-by-the-stack")
        elif args.typ == "random:index/randomId:RandomId":
            outputs["hex"] = f"{args.name}-hex"
        elif args.typ == "tls:index/privateKey:PrivateKey":
            outputs["privateKeyOpenssh"] = pulumi.Output.secret(f"PRIVATE {args.name}")
            outputs["publicKeyOpenssh"] = f"ssh-ed25519 {args.name}\n"
        elif args.typ.startswith("aws:"):
            outputs |= answers_aws.outputs(args.typ, args.name, args.inputs)
        elif args.typ.startswith("digitalocean:"):
            outputs |= answers_digitalocean.outputs(args.typ, args.name, args.inputs)
        return outputs.pop("id", f"{args.name}-id"), outputs

    def call(self, args: pulumi_mocks.MockCallArgs) -> dict:
        if args.token == "tls:index/getPublicKey:getPublicKey":
            return {"publicKeyOpenssh": "ssh-ed25519 given\n"}
        if args.token == "pulumi:pulumi:readStackOutputs":
            return {"name": args.args["name"], "outputs": dict(self.last), "secretOutputNames": []}
        raise AssertionError(f"the program called {args.token}")


def record(
    program: Callable[[], None],
    config: Mapping[str, str],
    stack: str = "dev",
    last: Mapping[str, Any] | None = None,
) -> Recording:
    """Run the program to its end; raises what it raises. `last` are outputs of an earlier `up`."""
    recording = Recording()
    provider = _Provider(last or {})
    pulumi.runtime.set_all_config(
        dict(config), [key for key in (OPERATOR_KEY, SECRETS) if key in config]
    )
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.settings.SETTINGS.outputs.clear()
    pulumi.runtime.settings.SETTINGS.rpc_manager.clear()
    pulumi_mocks.set_mocks(
        provider,
        project="k3s",
        organization="organization",
        stack=stack,
        preview=False,
        monitor=_Monitor(recording, provider),
    )
    pulumi.runtime.settings.set_root_resource(None)  # run_in_stack makes its own

    try:
        loop.run_until_complete(run_in_stack(program))
    finally:
        loop.close()
    return recording


def _stdout(name: str) -> str:
    if name.endswith("-bootstrap"):
        return CA_HASH
    if name.endswith("-kubeconfig"):
        return KUBECONFIG
    return f"{name}-stdout"


def _name_of(urn: str) -> str:
    return urn.split("::")[-1]


def _from_struct(message: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _from_value(value) for key, value in message.fields.items()}


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    return None if kind == "null_value" else getattr(value, kind)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return Secret(_plain(value["value"]))
        return {key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return True
        return any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))
