"""RegisterResource: from the program's message to a goal, its steps, and the answer."""

import re
import threading
from typing import Any

from pulumi.runtime.proto import alias_pb2
from pulumi.runtime.proto import resource_pb2 as rp

from lab.engine import assets, urns
from lab.engine.errors import USE_THE_CLI, CancelledError, EngineError, refuse
from lab.engine.generate import Goal, generate
from lab.engine.resources import Resource
from lab.engine.run import Inherited, Run
from lab.engine.values import (
    UNKNOWN,
    Properties,
    from_struct,
    from_value,
    has_unknown,
    lower_outputs,
    reveal,
    secret,
    secret_strings,
    to_struct,
)

_SECONDS_A_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Registrar:
    """Carries out registrations: decided one after another, carried out in parallel."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._deciding = threading.RLock()
        self._slots = threading.Semaphore(run.parallel)
        self._defaults: dict[tuple[str, str, str], str] = {}
        self._default_locks: dict[tuple[str, str, str], threading.Lock] = {}
        self._mutex = threading.Lock()

    # Custom resources and components

    def register(self, request: rp.RegisterResourceRequest) -> rp.RegisterResourceResponse:
        """Do what ``request`` asks for. Raises ``CancelledError`` when the run is ending."""
        _refuse_unimplemented(request)
        run = self._run
        urn = urns.make(run.stack, run.project, request.parent, request.type, request.name)
        inherited = self._inherit(request)
        new, inputs = self._resource(urn, request, inherited)
        defined = request.deleteBeforeReplaceDefined or request.deleteBeforeReplace
        old_urns = [alias_pb2.Alias(urn=old) for old in request.aliasURNs]
        goal = Goal(
            new,
            inputs,
            aliases=[*request.aliases, *old_urns],
            delete_first=request.deleteBeforeReplace if defined else None,
        )
        result = self.carry_out(goal)
        run.tables.inherited[urn] = inherited
        outputs = self._answer(new, request) if request.custom else {}
        unknown_id = new.id == UNKNOWN and not new.is_provider
        return rp.RegisterResourceResponse(
            urn=urn, id="" if unknown_id else new.id, object=to_struct(outputs), result=result
        )

    def carry_out(self, goal: Goal) -> Any:
        """Decide the steps for ``goal`` and execute them; gives a ``Result``."""
        run, new = self._run, goal.new
        try:
            with self._deciding:
                if run.cancelled.is_set():
                    raise CancelledError
                steps = generate(run, goal)
            if run.tables.failed & new.dependency_urns():
                run.tables.failed.add(new.urn)
                return rp.Result.FAIL
            with self._slots:
                for step in steps:
                    if run.cancelled.is_set():
                        raise CancelledError
                    step.execute(run)
        except EngineError as error:
            run.fail(str(error), new.urn)
            run.tables.failed.add(new.urn)
            if run.continue_on_error:
                return rp.Result.FAIL
            run.cancelled.set()
            raise CancelledError from error
        return rp.Result.SUCCESS

    def _inherit(self, request: rp.RegisterResourceRequest) -> Inherited:
        """The options of the resource, those of its parent where it says nothing itself."""
        parent = self._run.tables.inherited.get(request.parent)
        parent = parent or Inherited(None, None, "", "", {})
        package = urns.package_of(request.type)
        providers = {**parent.providers, **request.providers}
        provider = request.provider
        if not provider and parent.provider:
            its_type = urns.type_of(urns.split_reference(parent.provider)[0])
            if not request.custom or urns.package_of(its_type) == package:
                provider = parent.provider
        if not provider and request.custom:
            provider = providers.get(package, "")
        return Inherited(
            request.protect if request.HasField("protect") else parent.protect,
            request.retainOnDelete if request.HasField("retainOnDelete") else parent.retain,
            request.deletedWith or parent.deleted_with,
            provider,
            providers,
        )

    def _resource(
        self, urn: str, request: rp.RegisterResourceRequest, inherited: Inherited
    ) -> tuple[Resource, Properties]:
        """The resource as the program wants it, and the inputs it gave."""
        run = self._run
        inputs, by_property = _inputs(request)
        inputs = assets.with_hashes(inputs, run.folder)
        run.events.hide(secret_strings(inputs))
        own_provider = urns.is_provider(request.type)
        if own_provider:
            inputs |= _engine_settings(request.version, request.pluginDownloadURL)
            inherited.provider = ""
        elif request.custom and not inherited.provider:
            inherited.provider = self.default_provider(
                urns.package_of(request.type), request.version, request.pluginDownloadURL
            )
        new = Resource(
            urn=urn,
            custom=request.custom,
            type=request.type,
            inputs=inputs,
            parent=request.parent,
            protect=bool(inherited.protect),
            retainOnDelete=bool(inherited.retain),
            dependencies=sorted(request.dependencies),
            propertyDependencies=by_property,
            provider=inherited.provider if request.custom else "",
            deletedWith=inherited.deleted_with,
            replaceWith=list(request.replace_with),
            replacementTrigger=_trigger(request),
            additionalSecretOutputs=list(request.additionalSecretOutputs),
            ignoreChanges=list(request.ignoreChanges),
            replaceOnChanges=list(request.replaceOnChanges),
            importID=request.importId,
            customTimeouts=_timeouts(request),
        )
        return new, dict(inputs)

    def _answer(self, new: Resource, request: rp.RegisterResourceRequest) -> Properties:
        """The outputs as the program can take them."""
        outputs = new.outputs
        if not request.supportsPartialValues:
            outputs = {k: v for k, v in outputs.items() if not has_unknown(v)}
        return outputs if request.acceptSecrets else reveal(outputs)

    # Default providers

    def default_provider(self, package: str, version: str, url: str = "") -> str:
        """The reference of the provider that resources without one of their own get."""
        key = (package, version, url)
        with self._mutex:
            lock = self._default_locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._defaults:
                self._defaults[key] = self._make_default(package, version, url)
            return self._defaults[key]

    def _make_default(self, package: str, version: str, url: str) -> str:
        run, type_ = self._run, urns.PROVIDER_PREFIX + package
        name = "_".join(part for part in ("default", re.sub(r"[.+-]", "_", version), url) if part)
        inputs: Properties = {
            key: secret(value) if run.config.is_secret(package, key) else value
            for key, value in run.config.of_package(package).items()
        }
        inputs |= _engine_settings(version, url)
        urn = urns.make(run.stack, run.project, "", type_, name)
        new = Resource(urn=urn, custom=True, type=type_, inputs=inputs)
        if self.carry_out(Goal(new, dict(inputs))) != rp.Result.SUCCESS:
            raise CancelledError
        return new.reference

    # Reads

    def read(self, request: rp.ReadResourceRequest) -> rp.ReadResourceResponse:
        """Read a resource that this stack does not manage."""
        run, package = self._run, urns.package_of(request.type)
        urn = urns.make(run.stack, run.project, request.parent, request.type, request.name)
        provider = request.provider or self.default_provider(package, request.version)
        new = Resource(
            urn=urn,
            type=request.type,
            custom=True,
            external=True,
            id=request.id,
            parent=request.parent,
            provider=provider,
            dependencies=sorted(request.dependencies),
            inputs=from_struct(request.properties),
            additionalSecretOutputs=list(request.additionalSecretOutputs),
        )
        try:
            self._read(new)
        except EngineError as error:
            run.fail(str(error), urn)
            run.cancelled.set()
            raise CancelledError from error
        return rp.ReadResourceResponse(urn=urn, properties=to_struct(new.outputs))

    def _read(self, new: Resource) -> None:
        run, tables = self._run, self._run.tables
        with self._deciding:
            if new.urn in tables.seen:
                raise EngineError(f"duplicate resource URN '{new.urn}'")
            tables.seen.add(new.urn)
            tables.decide(new.urn, "read")
            old = tables.olds.get(new.urn)
        was_managed = old is not None and not old.external
        op = "read-replacement" if was_managed else "read"
        run.events.began(op, new.urn)
        if new.id != UNKNOWN:
            found = run.providers.ensure(new.provider).read(new.urn, new.id, {}, new.inputs)
            if not found.id:
                run.events.ended(op, new.urn, False)
                raise EngineError(f"resource '{new.id}' does not exist")
            new.id, new.outputs = found.id, found.outputs
        new.hide_additional_secrets()
        if old is not None and was_managed:
            old.delete = True
            run.state.commit(add=new, changed=[old])
        else:
            run.state.commit(add=new, drop=[old] if old else [])
        run.events.ended(op, new.urn, True)


def _inputs(request: rp.RegisterResourceRequest) -> tuple[Properties, dict[str, list[str]]]:
    """The inputs, and on which URNs each depends."""
    inputs: Properties = {}
    by_property: dict[str, list[str]] = {}
    given = request.propertyDependencies
    for key, value in from_struct(request.object).items():
        if key in given:
            needed = set(given[key].urns)
        else:
            needed = set() if given else set(request.dependencies)
        inputs[key] = lower_outputs(value, needed)
        by_property[key] = sorted(needed)
    return inputs, by_property


def _trigger(request: rp.RegisterResourceRequest) -> Any:
    if not request.HasField("replacement_trigger"):
        return None
    return lower_outputs(from_value(request.replacement_trigger), set())


def _timeouts(request: rp.RegisterResourceRequest) -> dict[str, float]:
    """customTimeouts, written as Go durations (``1h30m``), in seconds."""
    seconds = {}
    for key in ("create", "update", "delete"):
        text = getattr(request.customTimeouts, key)
        parts = re.findall(r"([\d.]+)(ms|h|m|s)", text)
        if "".join(n + u for n, u in parts) != text:
            raise EngineError(
                f"customTimeouts.{key}: {text!r} — it is no duration — write e.g. 30s or 1h30m"
            )
        if parts:
            seconds[key] = sum(float(n) * _SECONDS_A_UNIT[unit] for n, unit in parts)
    return seconds


def _engine_settings(version: str, url: str) -> Properties:
    """What the engine keeps among a provider's inputs for itself."""
    settings: Properties = {"version": version} if version else {}
    if version or url:
        settings["__internal"] = {"pluginDownloadURL": url} if url else {}
    return settings


def _refuse_unimplemented(request: rp.RegisterResourceRequest) -> None:
    """Refuse what would otherwise be silently ignored."""
    asked = {
        "a remote component (Construct)": request.remote,
        "transforms": bool(request.transforms),
        "resource hooks": request.hooks.ByteSize() > 0,
        "a parameterized package": bool(request.packageRef),
        "state migrations": bool(request.state_migrations),
        "envVarMappings": bool(request.envVarMappings),
        "a snippet": bool(request.snippetId),
    }
    for what, present in asked.items():
        if present:
            raise refuse(f"{request.type} {request.name}: {what}", USE_THE_CLI)
