"""kubernetes:helm.sh/v3:Release, by the real Helm.

Course: ``provider/pkg/provider/helm_release.go`` in pulumi-kubernetes.
"""

from typing import Any, NoReturn

import yaml
from pulumi.runtime.proto import provider_pb2
from typing_extensions import override

from lab.engine.values import UNKNOWN, Properties, has_unknown, reveal, secret
from lab.plugins.kubernetes import checkpoint, compare, release_inputs
from lab.plugins.kubernetes.helm import Helm, HelmError
from lab.plugins.kubernetes.managed import Call, Managed, refuse, scrubbed
from lab.plugins.refused import PartlyDoneError
from lab.plugins.shapes import Problem

_NOT_FOUND = "release: not found"
_REPLACING = (".name", ".namespace")
_OUTPUTS = ("resourceNames", "status")


class Release(Managed):
    """A chart, installed."""

    @override
    async def check(
        self, call: Call, olds: Properties, news: Properties
    ) -> tuple[Properties, list[Problem]]:
        settings = call.cluster.settings
        if call.cluster.api is None and settings["skipUpdateUnreachable"] and olds:
            return olds, []
        if problems := release_inputs.problems(news):
            return news, problems
        try:
            inputs = release_inputs.complete(
                news, olds, call.operation.name, call.seed, settings.namespace
            )
        except ValueError as error:
            return news, [("valueYamlFiles", str(error))]
        if has_unknown(news):
            return inputs, []
        try:
            return {**inputs, "version": (await _chart(inputs))["version"]}, []
        except (HelmError, ValueError) as error:
            hint = "check the chart name and repository configuration."
            return inputs, [("chart", scrubbed(f"{error}; {hint}", inputs))]

    @override
    async def diff(
        self, call: Call, state: Properties, inputs: Properties
    ) -> provider_pb2.DiffResponse:
        before = reveal(checkpoint.inputs_of_state(state))
        live = checkpoint.pruned(checkpoint.without_notes(reveal(state)), before)
        changes = compare.differences(live, reveal(inputs))
        return compare.response(changes, _REPLACING, call.ignored, same_name=False)

    @override
    async def preview(self, call: Call, state: Properties | None, inputs: Properties) -> Properties:
        return {**_state(inputs), **dict.fromkeys(_OUTPUTS, UNKNOWN)}

    @override
    async def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        call.cluster.reached()
        plain = reveal(inputs)
        helm, id_ = _helm(call, plain), f"{plain['namespace']}/{plain['name']}"
        before = await _status(helm, plain["name"])
        try:
            made = await helm.json(
                "install",
                plain["name"],
                *release_inputs.chart_words(plain),
                *release_inputs.install_words(plain),
                values=plain.get("values") or {},
            )
        except (HelmError, ValueError) as error:
            live = None if before else await _status(helm, plain["name"])
            what = f"Helm release {id_!r} was created, but failed to initialize completely"
            _fail(inputs, live, id_, what, error)
        return id_, {**_state(inputs), **_outputs(made)}

    @override
    async def read(
        self, call: Call, id_: str, state: Properties, inputs: Properties
    ) -> tuple[Properties, Properties] | None:
        if call.cluster.api is None and call.cluster.settings["skipUpdateUnreachable"]:
            return state, inputs
        if call.cluster.gone("it cannot be read"):
            return None
        known = reveal(state)
        live = await _status(_helm(call, known), known["name"])
        if live is None:
            return None
        return {**_state(inputs), **_outputs(live), **_values(inputs, live)}, inputs

    @override
    async def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        call.cluster.reached()
        plain = reveal(inputs)
        helm, id_ = _helm(call, reveal(state)), f"{plain['namespace']}/{plain['name']}"
        before = await _status(helm, plain["name"])
        try:
            made = await helm.json(
                "upgrade",
                plain["name"],
                *release_inputs.chart_words(plain),
                *release_inputs.upgrade_words(plain),
                values=plain.get("values") or {},
            )
        except (HelmError, ValueError) as error:
            live = await _status(helm, plain["name"])
            same = before and live and before["version"] == live["version"]
            what = f"Helm release {id_!r} failed to initialize completely"
            _fail(inputs, None if same else live, id_, what, error)
        return {**_state(inputs), **_outputs(made)}

    @override
    async def delete(self, call: Call, id_: str, state: Properties) -> None:
        if call.cluster.api is None:
            refuse(f"can't delete Helm Release with unreachable cluster: {call.cluster.why}")
        known = reveal(state)
        words = release_inputs.uninstall_words(known)
        try:
            await _helm(call, known).run("uninstall", known["name"], *words)
        except HelmError as error:
            refuse(f"Helm release {id_!r} was not uninstalled: {error}", state, cause=error)


def _helm(call: Call, plain: Properties) -> Helm:
    return Helm(call.cluster.settings.access, plain["namespace"])


async def _chart(inputs: Properties) -> dict[str, Any]:
    """The chart's own description."""
    words = release_inputs.chart_words(reveal(inputs))
    chart: dict[str, Any] = yaml.safe_load(await Helm().run("show", "chart", *words))
    return chart


async def _status(helm: Helm, name: str) -> Properties | None:
    """The release as Helm keeps it, None where there is none. Raises ``RefusedError``."""
    try:
        live: Properties = await helm.json("status", name)
        about = await helm.json("get", "metadata", name)
        chart = {"name": about["chart"], **{k: about.get(k) for k in ("version", "appVersion")}}
        return {**live, "chart": {"metadata": chart}}
    except HelmError as error:
        if _NOT_FOUND in str(error):
            return None
        refuse(f"Helm release {name!r} cannot be looked at: {error}", cause=error)


def _state(inputs: Properties) -> Properties:
    """What is known without the cluster. The inputs are secret as a whole, as they are there."""
    return {**inputs, checkpoint.INPUTS: secret(reveal(inputs))}


def _outputs(live: Properties) -> Properties:
    """What Helm tells of a release, without its values and its manifest."""
    chart = live["chart"]["metadata"]
    status = {
        "appVersion": chart.get("appVersion"),
        "chart": chart["name"],
        "name": live["name"],
        "namespace": live["namespace"],
        "revision": live["version"],
        "status": live["info"]["status"],
        "version": chart["version"],
    }
    return {
        "version": chart["version"],
        "resourceNames": release_inputs.resource_names(live.get("manifest") or ""),
        "status": {k: v for k, v in status.items() if v not in (None, "")},
    }


def _values(inputs: Properties, live: Properties) -> Properties:
    """The values as they are now, secret as a whole where any was: others may repeat it."""
    given, config = inputs.get("values") or {}, live.get("config") or {}
    values = release_inputs.merged(reveal(given), config)
    if values == reveal(given):
        return {}
    return {"values": secret(values) if checkpoint.has_secret(given) else values}


def _fail(
    inputs: Properties, live: Properties | None, id_: str, what: str, error: Exception
) -> NoReturn:
    """Raise what the engine is to know: a release that is there in disorder, or that is not."""
    words = scrubbed(str(error), inputs)
    if live is None:
        refuse(f"Helm release {id_!r}: {words}", cause=error)
    state = {**_state(inputs), **_outputs(live)}
    raise PartlyDoneError(f"{what}: {words}", id_, state, [f"{what}: {words}"]) from error
