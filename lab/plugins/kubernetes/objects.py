"""Objects of any kind, made and changed by server-side apply.

Course: ``provider/pkg/provider/provider.go`` and ``provider/pkg/await/await.go`` in
pulumi-kubernetes. Unlike there, a field that the server does not know is refused (strict field
validation), and objects are applied from the first day, not only from their first change.
"""

import secrets

from pulumi.runtime.proto import provider_pb2
from typing_extensions import override

from lab.engine.values import UNKNOWN, Properties, has_unknown, reveal
from lab.plugins.kubernetes import annotations, apply, checkpoint, compare, waiting
from lab.plugins.kubernetes.api import Api, ApiError, Mapped, NoMatchError, Object
from lab.plugins.kubernetes.managed import Call, Managed, refuse, scrubbed
from lab.plugins.kubernetes.readiness import HopelessError, Rule
from lab.plugins.kubernetes.wait_for import WaitForError, parse
from lab.plugins.refused import PartlyDoneError
from lab.plugins.shapes import Problem, bare


class Objects(Managed):
    """An object that its apiVersion, kind, namespace and name tell from all others."""

    @override
    async def check(
        self, call: Call, olds: Properties, news: Properties
    ) -> tuple[Properties, list[Problem]]:
        cluster = call.cluster
        if cluster.api is None and cluster.settings["skipUpdateUnreachable"] and olds:
            return olds, []
        problems = [*_problems(news), *annotations.problems(news)]
        if problems or bare(news.get("metadata")) == UNKNOWN:
            return news, problems
        fresh = annotations.unique_name(call.operation.name, call.seed)
        inputs = annotations.named(news, olds, fresh)
        own, namespace = annotations.metadata(inputs), cluster.settings.namespace
        if namespace and not own.get("namespace") and await _namespaced(cluster.api, inputs):
            inputs = {**inputs, "metadata": {**own, "namespace": namespace}}
        return checkpoint.marked_like(inputs, news), []

    @override
    async def diff(
        self, call: Call, state: Properties, inputs: Properties
    ) -> provider_pb2.DiffResponse:
        before, settings = checkpoint.inputs_of_state(state), call.cluster.settings
        live = checkpoint.normal(checkpoint.to_object(state))
        old = checkpoint.pruned(live, checkpoint.normal(checkpoint.to_object(before)))
        new = checkpoint.normal(checkpoint.to_object(inputs))
        was = live["metadata"]
        if new.get("metadata", {}).get("name"):
            old.setdefault("metadata", {})["name"] = was["name"]
        if not was.get("namespace"):  # a cluster's object, whatever the program says
            for found in (old, new):
                found.get("metadata", {}).pop("namespace", None)
        replacing = compare.replacing_fields(
            new, settings["enableSecretMutable"], settings["enableConfigMapMutable"]
        )
        same_name = not annotations.is_set(new, annotations.AUTONAMED) and all(
            new.get("metadata", {}).get(part) == was.get(part) for part in ("name", "namespace")
        )
        return compare.response(compare.differences(old, new), replacing, call.ignored, same_name)

    @override
    async def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        api, wanted = call.cluster.reached(), checkpoint.to_object(inputs)
        manager = annotations.annotation(inputs, annotations.MANAGER) or (
            f"pulumi-kubernetes-{secrets.token_hex(4)}"
        )

        async def make() -> tuple[Mapped, Object]:
            mapped = await api.kind(wanted["apiVersion"], wanted["kind"])
            if not call.cluster.settings["upsertExistingObjects"]:
                await apply.refuse_existing(api, mapped, wanted)
            return mapped, await apply.applied(call, mapped, wanted, manager)

        try:
            mapped, live = await waiting.retried(call.operation, make)
        except (ApiError, NoMatchError) as error:
            refuse(
                f"resource {call.urn!r} was not successfully created by the Kubernetes API server: "
                f"{error}",
                inputs,
                cause=error,
            )
        live = await self._wait(call, api, mapped, live, inputs, manager)
        return annotations.qualified_name(live), checkpoint.state_of(live, inputs, manager)

    @override
    async def preview(self, call: Call, state: Properties | None, inputs: Properties) -> Properties:
        """What the server would make of it, by its own dry run; the inputs where it cannot say."""
        api = call.cluster.api
        if api is None or has_unknown(inputs):
            return inputs
        wanted = checkpoint.to_object(inputs)
        manager = (state or {}).get(checkpoint.MANAGER) or "pulumi-kubernetes-preview"
        try:
            mapped = await api.kind(wanted["apiVersion"], wanted["kind"])
            if state is None and await apply.find(api, mapped, wanted):
                return inputs  # a replacement, or what the creation itself refuses
            live = await apply.applied(call, mapped, wanted, manager, dry=True, force=state is None)
        except NoMatchError:
            return inputs
        except ApiError as error:
            if error.code == 403 or (error.not_found and error.details.get("kind") == "namespaces"):
                return inputs
            refuse(f"the Kubernetes API server does not take it: {error}", inputs, cause=error)
        live.pop("status", None)
        return checkpoint.state_of(live, inputs, manager)

    @override
    async def read(
        self, call: Call, id_: str, state: Properties, inputs: Properties
    ) -> tuple[Properties, Properties] | None:
        if call.cluster.api is None and call.cluster.settings["skipUpdateUnreachable"]:
            return state, inputs
        if call.cluster.gone("it cannot be read"):
            return None
        api, known = call.cluster.reached(), checkpoint.live_object(state)
        try:
            mapped = await api.kind(known["apiVersion"], known["kind"])
            live = await apply.find(api, mapped, known)
        except NoMatchError:
            return None
        if live is None:
            return None
        found = _as_inputs(live, inputs)
        seen = checkpoint.state_of(live, found, state.get(checkpoint.MANAGER) or "")
        rule = waiting.awaited(live)
        if rule and (missing := await _missing(api, rule, live)):
            name = live["metadata"]["name"]
            text = f"Resource '{name}' was created but failed to initialize"
            slim = checkpoint.state_of(_slim(live), found, state.get(checkpoint.MANAGER) or "")
            partly = PartlyDoneError(text, id_, slim, [text, *missing])
            partly.inputs = found
            raise partly
        return seen, found

    @override
    async def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        api, wanted = call.cluster.reached(), checkpoint.to_object(inputs)
        manager = annotations.annotation(inputs, annotations.MANAGER) or state[checkpoint.MANAGER]
        known = checkpoint.live_object(state)
        wanted["metadata"]["name"] = known["metadata"]["name"]
        try:
            mapped = await api.kind(wanted["apiVersion"], wanted["kind"])
            if call.ignored:
                before = await api.request("GET", apply.path_of(mapped, known))
                wanted = compare.kept(wanted, before, call.ignored)
            live = await apply.applied(call, mapped, wanted, manager)
        except (ApiError, NoMatchError) as error:
            refuse(f"update of resource {call.urn!r} failed: {error}", inputs, cause=error)
        live = await self._wait(call, api, mapped, live, inputs, manager)
        return checkpoint.state_of(live, inputs, manager)

    @override
    async def delete(self, call: Call, id_: str, state: Properties) -> None:
        known = checkpoint.live_object(state)
        if call.cluster.gone(f"{id_} cannot be deleted"):
            return
        api, inputs = call.cluster.reached(), checkpoint.inputs_of_state(state)
        options = {"propagationPolicy": annotations.deletion_propagation(inputs)}
        seconds = annotations.await_seconds(inputs, call.timeout)
        try:
            path = apply.path_of(await api.kind(known["apiVersion"], known["kind"]), known)
            await api.request(
                "DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options}
            )
            if not annotations.is_set(inputs, annotations.SKIP_AWAIT):
                await waiting.gone(call.operation, api, path, known, seconds)
        except NoMatchError:
            return  # with its kind it is gone itself
        except waiting.NotInOrderError as error:
            refuse(f"{id_} is not gone within {seconds:g} s: {error}", state, cause=error)
        except ApiError as error:
            if not error.not_found:
                refuse(f"{id_} was not deleted: {error}", state, cause=error)

    async def _wait(
        self, call: Call, api: Api, mapped: Mapped, live: Object, inputs: Properties, manager: str
    ) -> Object:
        """The object in order. Raises ``PartlyDoneError`` where it does not come so far."""
        seconds = annotations.await_seconds(inputs, call.timeout)
        rule = waiting.awaited(live)
        try:
            return await waiting.in_order(
                call.operation, api, apply.path_of(mapped, live), live, rule, seconds
            )
        except waiting.NotInOrderError as error:
            seen, reasons = error.live, [scrubbed(reason, inputs) for reason in error.reasons]
            text = f"'{live['metadata']['name']}' timed out after {seconds:g} s waiting to be Ready"
        except ApiError as error:
            seen, reasons, text = live, [scrubbed(str(error), inputs)], "it cannot be watched"
        state = checkpoint.state_of(_slim(seen), inputs, manager)
        id_ = annotations.qualified_name(live)
        raise PartlyDoneError(text, id_, state, [text, *reasons])


def _problems(inputs: Properties) -> list[Problem]:
    problems = [
        (name, f"missing, and every object needs it — write {name}")
        for name in ("apiVersion", "kind")
        if not inputs.get(name)
    ]
    if (expression := annotations.annotation(inputs, annotations.WAIT_FOR)) and not problems:
        try:
            parse(expression)
        except WaitForError as error:
            problems.append((f"metadata.annotations[{annotations.WAIT_FOR!r}]", str(error)))
    return problems


async def _namespaced(api: Api | None, inputs: Properties) -> bool:
    """Whether the kind has namespaces; a kind that is not there yet may have them."""
    if api is None or has_unknown({key: inputs[key] for key in ("apiVersion", "kind")}):
        return True
    try:
        return (await api.kind(reveal(inputs["apiVersion"]), reveal(inputs["kind"]))).namespaced
    except NoMatchError:
        return True


async def _missing(api: Api, rule: Rule, live: Object) -> list[str]:
    try:
        return await rule(api, live)
    except HopelessError as error:
        return error.reasons


def _as_inputs(live: Object, inputs: Properties) -> Properties:
    """What the inputs would be for the object to be as it is."""
    like = checkpoint.to_object(inputs)
    normal = checkpoint.normal(like)
    found = checkpoint.pruned(checkpoint.normal(checkpoint.to_object(live)), normal)
    if not compare.differences(found, normal):
        return inputs
    return checkpoint.marked_like(dict(found), inputs)


def _slim(live: Object) -> Object:
    """Without who manages which field: an error has to carry it, in a header."""
    own = {k: v for k, v in live["metadata"].items() if k != "managedFields"}
    return {**live, "metadata": own}
