"""Provider package `pyp`: resources are JSON files in the folder $PYP_DB, so that tests can look
at them, change them and take them away.

Of the inputs of a Thing some have a meaning of their own:
    key        changing it replaces the resource
    dbr        true: such a replacement deletes first
    value      "bad" does not pass Check
    fail       create, update or delete: that operation fails
    unhealthy  true: it is made, but does not become healthy
    wait       a file: creating waits until it is there, or until Cancel
    say        a text to log while it is made
Every call is a line of JSON in $PYP_DB/calls.
"""

# ruff: noqa: N802, ARG002 - the method names and arguments are the protocol's

import fcntl
import importlib.metadata
import json
import os
import sys
import threading
import types
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import code_pb2, status_pb2


def without_the_sdk() -> None:
    """Let the stubs be imported without the SDK around them: it takes longer than all else here,
    and the tests start hundreds of plugins.
    """
    site = Path(str(importlib.metadata.distribution("pulumi").locate_file("pulumi")))
    for name, folder in (("pulumi", site), ("pulumi.runtime", site / "runtime")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


without_the_sdk()

from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2  # noqa: E402
from pulumi.runtime.proto import provider_pb2 as pb  # noqa: E402
from pulumi.runtime.proto import provider_pb2_grpc as pbg  # noqa: E402

DB = Path(os.environ["PYP_DB"])
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECONDS_TO_WAIT = 600


def from_struct(wire: struct_pb2.Struct) -> dict[str, Any]:
    return json_format.MessageToDict(wire)


def to_struct(value: dict[str, Any]) -> struct_pb2.Struct:
    wire = struct_pb2.Struct()
    wire.update(value)
    return wire


def plain(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and value.get(SIGNATURE) == SECRET else value


def file_of(id_: str) -> Path:
    return DB / f"{id_}.json"


def store(id_: str, properties: dict[str, Any]) -> None:
    file_of(id_).write_text(json.dumps({k: plain(v) for k, v in properties.items()}))


class Pyp(pbg.ResourceProviderServicer):
    def __init__(self, engine_address: str) -> None:
        channel = grpc.insecure_channel(engine_address)
        self.engine = engine_pb2_grpc.EngineStub(channel)
        self.cancelled = threading.Event()
        self.mutex = threading.Lock()

    def note(self, call: str, **what: Any) -> None:
        line = json.dumps({"call": call, **what}, sort_keys=True) + "\n"
        with self.mutex, (DB / "calls").open("a") as calls:
            calls.write(line)

    def Handshake(self, request, context):
        return pb.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True
        )

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetSchema(self, request, context):
        return pb.GetSchemaResponse(schema=json.dumps({"name": "pyp", "version": "1.0.0"}))

    def CheckConfig(self, request, context):
        self.note("CheckConfig", urn=request.urn, news=from_struct(request.news))
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
        return pb.DiffResponse(
            changes=2 if changed else 1,
            diffs=changed,
            replaces=[k for k in changed if k == "region"],
        )

    def Configure(self, request, context):
        self.note("Configure", urn=request.urn, args=from_struct(request.args))
        return pb.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    def Check(self, request, context):
        old, new = from_struct(request.olds), from_struct(request.news)
        self.note("Check", urn=request.urn, olds=old, news=new)
        failures = []
        if new.get("value") == "bad":
            failures = [pb.CheckFailure(property="value", reason="value must not be 'bad'")]
        new.setdefault("color", "blue")
        made_up = f"{request.name}-{request.randomSeed.hex()[:7]}"
        new.setdefault("label", old.get("label") or made_up)
        return pb.CheckResponse(inputs=to_struct(new), failures=failures)

    def Diff(self, request, context):
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        self.note("Diff", urn=request.urn, olds=old, news=new)
        changed = [
            key
            for key in sorted({*old, *new})
            if key != "label" and plain(old.get(key)) != plain(new.get(key))
        ]
        return pb.DiffResponse(
            changes=2 if changed else 1,
            diffs=changed,
            replaces=[k for k in changed if k == "key"],
            deleteBeforeReplace=bool(old.get("dbr")),
        )

    def Create(self, request, context):
        wanted = from_struct(request.properties)
        self.note("Create", urn=request.urn, preview=request.preview, timeout=request.timeout)
        if request.preview:
            return pb.CreateResponse(properties=to_struct({**wanted, "serial": UNKNOWN}))
        if "say" in wanted:
            text = f"making {plain(wanted['say'])}"
            self.engine.Log(engine_pb2.LogRequest(severity=1, message=text, urn=request.urn))
        id_, number = self.new_id(request.name)
        if "wait" in wanted:
            self.wait_for(Path(wanted["wait"]), request.name, context)
        if wanted.get("fail") == "create":
            context.abort(grpc.StatusCode.UNKNOWN, "create failed as asked")
        token = {SIGNATURE: SECRET, "value": f"token-of-{id_}"}
        made = {**wanted, "serial": number, "token": token}
        store(id_, wanted)
        if wanted.get("unhealthy"):
            self.abort_unhealthy(id_, made, context)
        return pb.CreateResponse(id=id_, properties=to_struct(made))

    def Update(self, request, context):
        old, new = from_struct(request.olds), from_struct(request.news)
        self.note("Update", urn=request.urn, preview=request.preview)
        made = {**new, "serial": old["serial"], "token": old["token"]}
        if request.preview:
            return pb.UpdateResponse(properties=to_struct(made))
        if new.get("fail") == "update":
            context.abort(grpc.StatusCode.UNKNOWN, "update failed as asked")
        store(request.id, new)
        if new.get("unhealthy"):
            self.abort_unhealthy(request.id, made, context)
        return pb.UpdateResponse(properties=to_struct(made))

    def Read(self, request, context):
        if not file_of(request.id).exists():
            return pb.ReadResponse()
        inputs, outputs = from_struct(request.inputs), from_struct(request.properties)
        for key, value in json.loads(file_of(request.id).read_text()).items():
            if plain(inputs.get(key)) != value:
                inputs[key] = value
        outputs = {"serial": 0, **outputs, **inputs}
        return pb.ReadResponse(
            id=request.id, properties=to_struct(outputs), inputs=to_struct(inputs)
        )

    def Delete(self, request, context):
        self.note("Delete", urn=request.urn, id=request.id)
        if from_struct(request.properties).get("fail") == "delete":
            context.abort(grpc.StatusCode.UNKNOWN, "delete failed as asked")
        file_of(request.id).unlink(missing_ok=True)
        return empty_pb2.Empty()

    def Invoke(self, request, context):
        arguments = from_struct(request.args)
        if arguments.get("x") == "bad":
            context.abort(grpc.StatusCode.UNKNOWN, "invoke failed as asked")
        answer = to_struct({"echo": arguments.get("x"), "preview": request.preview})
        return pb.InvokeResponse(**{"return": answer})

    def Cancel(self, request, context):
        self.note("Cancel")
        self.cancelled.set()
        return empty_pb2.Empty()

    def new_id(self, name: str) -> tuple[str, int]:
        """Numbers go up for a name and are never used again."""
        with (DB / "numbers.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = DB / "numbers"
            numbers = json.loads(file.read_text()) if file.exists() else {}
            numbers[name] = numbers.get(name, 0) + 1
            file.write_text(json.dumps(numbers))
        return f"{name}-{numbers[name]}", numbers[name]

    def wait_for(self, file: Path, name: str, context: Any) -> None:
        (DB / f"{name}.begun").touch()
        for _ in range(SECONDS_TO_WAIT * 100):
            if file.exists():
                return
            if self.cancelled.wait(0.01):
                context.abort(grpc.StatusCode.CANCELLED, "cancelled while waiting")
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"{file} did not appear")

    def abort_unhealthy(self, id_: str, made: dict[str, Any], context: Any) -> None:
        failed = pb.ErrorResourceInitFailed(
            id=id_, properties=to_struct(made), reasons=["it never said hello"]
        )
        detail = any_pb2.Any()
        detail.Pack(failed)
        status = status_pb2.Status(code=code_pb2.UNKNOWN, message="not healthy", details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, "not healthy")


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(64))
    pbg.add_ResourceProviderServicer_to_server(Pyp(sys.argv[1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
