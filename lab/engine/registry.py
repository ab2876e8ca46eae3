"""Provider resources (``pulumi:providers:X``) and the plugins that stand behind them."""

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb

from lab.engine import urns
from lab.engine.errors import CancelledError, EngineError
from lab.engine.plugins import Plugin, ProviderError
from lab.engine.providers import CustomProvider, Diff, Found, Made, Provider, parse_diff
from lab.engine.resources import Resource
from lab.engine.state import State
from lab.engine.values import (
    UNKNOWN,
    Properties,
    from_struct,
    inherit_secrets,
    reveal,
    to_struct,
)

_OWN = ("version", "__internal")  # the engine's, not the provider's, settings


class ProviderResources:
    """Starts plugins and configures them; answers for provider resources as ``Provider``."""

    def __init__(self, start: Callable[[str, str], Plugin], state: State, dry: bool) -> None:
        """``start(package, version)`` gives a running plugin."""
        self._start, self._state, self._dry = start, state, dry
        self._checked: dict[str, CustomProvider] = {}
        self._live: dict[str, CustomProvider] = {}
        self._plugins: list[Plugin] = []
        self._closed = False
        self._mutex = threading.RLock()

    # Finding the provider of a resource

    def of(self, resource: Resource) -> Provider | None:
        """The provider that manages ``resource``; None for components."""
        if not resource.custom:
            return None
        return self if resource.is_provider else self.ensure(resource.provider)

    def ensure(self, reference: str) -> CustomProvider:
        """The provider behind a reference, configured from the state if need be."""
        with self._mutex:
            if reference not in self._live:
                urn, id_ = urns.split_reference(reference)
                known = [r for r in self._state.resources() if r.reference == reference]
                if not known:
                    raise EngineError(f"unknown provider {reference}")
                self.bind(urn, id_, known[0].inputs)
            return self._live[reference]

    def bind(self, urn: str, id_: str, inputs: Properties) -> None:
        """Configure the provider ``urn`` and let resources refer to it."""
        with self._mutex:
            if f"{urn}::{id_}" in self._live and urn not in self._checked:
                return
            provider = self._checked.pop(urn, None) or self._load(urn, inputs)
            provider.configure(urn, id_, _settings(inputs))
            self._live[f"{urn}::{id_}"] = provider

    def _load(self, urn: str, inputs: Properties) -> CustomProvider:
        version = reveal(inputs.get("version", ""))
        plugin = self._start(urns.package_of(urns.type_of(urn)), version)
        with self._mutex:
            self._plugins.append(plugin)
            late = self._closed
        if late:  # a registration that was in flight while the engine closed
            plugin.close()
            raise CancelledError
        return CustomProvider(plugin, self._dry)

    def cancel(self) -> None:
        for plugin in list(self._plugins):
            plugin.cancel()

    def close(self) -> None:
        with self._mutex:
            self._closed = True
        for plugin in list(self._plugins):
            plugin.close()

    # Provider resources as resources. CheckConfig and DiffConfig get plain values, and the
    # marks of secrets are put back on their answer; Configure gets the secrets as such.

    def check(
        self,
        urn: str,
        olds: Properties,
        news: Properties,
        seed: bytes,  # noqa: ARG002
    ) -> tuple[Properties, list[Any]]:
        provider = self._checked[urn] = self._load(urn, news)
        request = pb.CheckRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            olds=to_struct(reveal(_settings(olds))),
            news=to_struct(reveal(_settings(news))),
        )
        answer = _call(provider, "CheckConfig", request, pb.CheckResponse(inputs=request.news))
        inputs = inherit_secrets(from_struct(answer.inputs), news)
        for key in _OWN:
            if key in news:
                inputs.setdefault(key, news[key])
        return inputs, list(answer.failures)

    def diff(
        self,
        old: Resource,
        urn: str,
        news: Properties,
        ignored: Sequence[str],
        unknowns: bool,  # noqa: ARG002
    ) -> Diff:
        provider = self._checked.get(urn) or self.ensure(f"{urn}::{old.id}")
        return self._diff_with(provider, old, urn, news, ignored)

    def diff_across(self, old: Resource, new: Resource) -> Diff:
        """How the settings of one provider resource differ from those of another."""
        return self._diff_with(self.ensure(new.reference), old, new.urn, new.inputs, [])

    def _diff_with(
        self,
        provider: CustomProvider,
        old: Resource,
        urn: str,
        news: Properties,
        ignored: Sequence[str],
    ) -> Diff:
        request = pb.DiffRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            old_inputs=to_struct(reveal(_settings(old.inputs))),
            olds=to_struct(reveal(old.outputs)),
            news=to_struct(reveal(_settings(news))),
            ignoreChanges=ignored,
        )
        diff = parse_diff(_call(provider, "DiffConfig", request, pb.DiffResponse()))
        if diff.changed is None:
            diff.changed = reveal(old.outputs) != reveal(_settings(news))
        return diff

    def create(self, new: Resource, dry: bool) -> Made:
        id_ = UNKNOWN if dry else str(uuid.uuid4())
        self.bind(new.urn, id_, new.inputs)
        return Made(id_, _settings(new.inputs))

    def update(self, old: Resource, new: Resource, dry: bool) -> Made:  # noqa: ARG002
        self.bind(new.urn, old.id, new.inputs)
        return Made(old.id, _settings(new.inputs))

    def delete(self, old: Resource) -> None:
        """Nothing outside the state stands for a provider resource."""

    def read(
        self,
        urn: str,
        id_: str,  # noqa: ARG002
        inputs: Properties,  # noqa: ARG002
        outputs: Properties,  # noqa: ARG002
    ) -> Found:
        raise EngineError(f"{urn}: a provider resource cannot be read")


def _settings(inputs: Properties) -> Properties:
    return {k: v for k, v in inputs.items() if k != "__internal"}


def _call(provider: CustomProvider, method: str, request: Any, default: Any) -> Any:
    """Call a method that a provider may leave out."""
    try:
        return provider.plugin.call(method, request)
    except ProviderError as error:
        if error.code == grpc.StatusCode.UNIMPLEMENTED or "not implemented" in str(error).lower():
            return default
        raise
