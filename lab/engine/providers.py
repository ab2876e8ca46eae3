"""What the engine asks of a provider, in property values instead of messages.

``Provider`` is the surface; ``CustomProvider`` answers it through a plugin's resource calls,
``registry.ProviderResources`` through its configuration calls.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pulumi.runtime.proto import provider_pb2 as pb

from lab.engine import urns
from lab.engine.errors import EngineError
from lab.engine.paths import keep_old
from lab.engine.plugins import Plugin, ProviderError
from lab.engine.resources import Resource
from lab.engine.values import (
    RESOURCE,
    UNKNOWN,
    Properties,
    Value,
    drop_unknowns,
    from_struct,
    has_unknown,
    inherit_secrets,
    reveal,
    signature,
    to_struct,
    walk,
)

_REPLACING_KINDS = (1, 3, 5)  # ADD_REPLACE, DELETE_REPLACE, UPDATE_REPLACE


@dataclass
class Diff:
    """How a resource differs from what is wanted."""

    changed: bool | None
    """None: the provider does not say."""
    replaces: list[str] = field(default_factory=list)
    """Properties that can only be changed by making the resource anew."""
    changes: list[str] = field(default_factory=list)
    """Properties (or paths) that differ."""
    delete_first: bool = False


@dataclass
class Made:
    """What a create or update gave."""

    id: str
    outputs: Properties
    init_errors: list[str] = field(default_factory=list)


@dataclass
class Found:
    """What a read gave; ``id`` is empty when there is nothing."""

    id: str
    inputs: Properties | None = None
    outputs: Properties = field(default_factory=dict)
    init_errors: list[str] = field(default_factory=list)


class Provider(Protocol):
    """Checks, compares, makes, changes, reads and deletes resources."""

    def check(
        self, urn: str, olds: Properties, news: Properties, seed: bytes
    ) -> tuple[Properties, list[Any]]: ...

    def diff(
        self, old: Resource, urn: str, news: Properties, ignored: Sequence[str], unknowns: bool
    ) -> Diff: ...

    def create(self, new: Resource, dry: bool) -> Made: ...

    def update(self, old: Resource, new: Resource, dry: bool) -> Made: ...

    def delete(self, old: Resource) -> None: ...

    def read(self, urn: str, id_: str, inputs: Properties, outputs: Properties) -> Found: ...


def parse_diff(answer: pb.DiffResponse) -> Diff:
    detailed = answer.detailedDiff
    return Diff(
        changed={0: None, 1: False, 2: True}[answer.changes],
        replaces=[
            *answer.replaces,
            *(k for k, d in detailed.items() if d.kind in _REPLACING_KINDS),
        ],
        changes=[*answer.diffs, *detailed],
        delete_first=answer.deleteBeforeReplace,
    )


class CustomProvider:
    """A configured plugin."""

    def __init__(self, plugin: Plugin, dry: bool) -> None:
        self.plugin, self._dry = plugin, dry
        self.known = True
        """False in a preview whose provider depends on what does not exist yet."""

    def configure(self, urn: str, id_: str, inputs: Properties) -> None:
        """Hand over the settings; secrets go as such."""
        if has_unknown(inputs):
            self.known = False
            return
        texts = {
            f"{self.plugin.package}:config:{key}": _text(value)
            for key, value in reveal(inputs).items()
            if key != "version"
        }
        answer = self.plugin.call(
            "Configure",
            pb.ConfigureRequest(
                variables=texts,
                args=to_struct(inputs),
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
                id=id_,
                urn=urn,
                name=urns.name_of(urn),
                type=urns.type_of(urn),
            ),
        )
        if not self.plugin.negotiated:
            self.plugin.takes_secrets = answer.acceptSecrets
            self.plugin.takes_references = answer.acceptResources
            self.plugin.takes_previews = answer.supportsPreview

    def check(
        self, urn: str, olds: Properties, news: Properties, seed: bytes
    ) -> tuple[Properties, list[Any]]:
        if not self.known:
            return news, []
        answer = self.plugin.call(
            "Check",
            pb.CheckRequest(
                **_names(urn), olds=self._encode(olds), news=self._encode(news), randomSeed=seed
            ),
        )
        return self._decode(answer.inputs, news), list(answer.failures)

    def diff(
        self, old: Resource, urn: str, news: Properties, ignored: Sequence[str], unknowns: bool
    ) -> Diff:
        """``unknowns``: ask with unknown inputs though it is no preview."""
        if not self.known:
            return Diff(changed=True)
        request = pb.DiffRequest(
            id=old.id,
            **_names(urn),
            old_inputs=self._encode(old.inputs),
            olds=self._encode(old.outputs),
            news=self._encode(news, unknowns),
            ignoreChanges=ignored,
        )
        diff = parse_diff(self.plugin.call("Diff", request))
        if diff.changed is None:
            wanted, was = reveal(keep_old(news, old.inputs, ignored)), reveal(old.inputs)
            diff.changes = [k for k in {*was, *wanted} if was.get(k) != wanted.get(k)]
            diff.changed = bool(diff.changes)
        return diff

    def create(self, new: Resource, dry: bool) -> Made:
        if dry and not (self.known and self.plugin.takes_previews):
            return Made("", dict(new.inputs) if self.known else {})
        request = pb.CreateRequest(
            **_names(new.urn),
            properties=self._encode(new.inputs),
            preview=dry,
            timeout=new.customTimeouts.get("create", 0),
        )
        try:
            answer = self.plugin.call("Create", request)
        except ProviderError as error:
            return self._partly(error, new)
        if not answer.id and not dry:
            raise EngineError(f"{self.plugin.package}.Create gave no id")
        return Made(answer.id, self._decode(answer.properties, new.inputs))

    def update(self, old: Resource, new: Resource, dry: bool) -> Made:
        if dry and not (self.known and self.plugin.takes_previews):
            return Made(old.id, dict(new.inputs) if self.known else {})
        request = pb.UpdateRequest(
            id=old.id,
            **_names(new.urn),
            olds=self._encode(old.outputs),
            news=self._encode(new.inputs),
            old_inputs=self._encode(old.inputs),
            ignoreChanges=new.ignoreChanges,
            preview=dry,
            timeout=new.customTimeouts.get("update", 0),
        )
        try:
            answer = self.plugin.call("Update", request)
        except ProviderError as error:
            return self._partly(error, new)
        return Made(old.id, self._decode(answer.properties, new.inputs))

    def _partly(self, error: ProviderError, new: Resource) -> Made:
        """A resource that exists but did not become healthy. Raises ``error`` otherwise."""
        if not error.partial:
            raise error
        outputs = self._decode(error.partial.properties, new.inputs)
        return Made(error.partial.id, outputs, list(error.partial.reasons))

    def delete(self, old: Resource) -> None:
        self.plugin.call(
            "Delete",
            pb.DeleteRequest(
                id=old.id,
                **_names(old.urn),
                properties=self._encode(old.outputs),
                old_inputs=self._encode(old.inputs),
                timeout=old.customTimeouts.get("delete", 0),
            ),
        )

    def read(self, urn: str, id_: str, inputs: Properties, outputs: Properties) -> Found:
        request = pb.ReadRequest(
            id=id_, **_names(urn), inputs=self._encode(inputs), properties=self._encode(outputs)
        )
        reasons: list[str] = []
        try:
            answer = self.plugin.call("Read", request)
        except ProviderError as error:
            if not error.partial:
                raise
            answer, reasons = error.partial, list(error.partial.reasons)
        if not answer.id:
            return Found("")
        read_inputs = self._decode(answer.inputs, inputs) if answer.HasField("inputs") else None
        return Found(answer.id, read_inputs, self._decode(answer.properties, outputs), reasons)

    def invoke(self, token: str, arguments: Properties) -> Any:
        """The answer to a provider function, as the message it came in."""
        request = pb.InvokeRequest(tok=token, args=self._encode(arguments), preview=self._dry)
        return self.plugin.call("Invoke", request)

    def _encode(self, properties: Properties, unknowns: bool = False) -> Any:
        value: Value = properties
        if not (self._dry or unknowns):
            value = drop_unknowns(value)
        if not self.plugin.takes_secrets:
            value = reveal(value)
        return to_struct(walk(value, self._reference))

    def _reference(self, value: Value) -> Value:
        """A resource reference as the plugin takes it: whole, or its id (else URN) alone."""
        if signature(value) != RESOURCE:
            return value
        if not self.plugin.takes_references:
            return value.get("id") or value["urn"]
        whole = {k: v for k, v in value.items() if v or k != "packageVersion"}
        id_ = value.get("id", "")
        whole |= {
            "id": "" if id_ == UNKNOWN else id_,
            "name": urns.name_of(value["urn"]),
            "type": urns.type_of(value["urn"]),
        }
        return whole

    def _decode(self, wire: Any, like: Properties) -> Properties:
        value = from_struct(wire)
        if not self._dry and has_unknown(value):
            raise EngineError(
                f"provider {self.plugin.package} gave an unknown value outside a preview"
            )
        return value if self.plugin.takes_secrets else inherit_secrets(value, like)


def _names(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": urns.name_of(urn), "type": urns.type_of(urn)}


def _text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
