"""One resource of the state, and its form in a checkpoint (``apitype.ResourceV3``)."""

import copy
import dataclasses
import datetime
import json
from dataclasses import dataclass, field
from typing import Any

from lab.engine import urns
from lab.engine.crypter import Crypter
from lab.engine.errors import USE_THE_CLI, EngineError, refuse
from lab.engine.values import (
    RESOURCE,
    SECRET,
    SIGNATURE,
    Properties,
    Value,
    is_secret,
    secret,
    signature,
    walk,
)

_NOT_IMPLEMENTED = ("viewOf", "taint", "resourceHooks", "extensionRef", "snippetID")


@dataclass(eq=False)
class Resource:
    """A resource as it is, or as the program wants it. Field names are the checkpoint's."""

    urn: str
    custom: bool
    type: str
    delete: bool = False
    """Already replaced; still to be deleted."""
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    """Only read, not managed by this stack."""
    dependencies: list[str] = field(default_factory=list)
    initErrors: list[str] = field(default_factory=list)  # noqa: N815
    provider: str = ""
    propertyDependencies: dict[str, list[str]] = field(default_factory=dict)  # noqa: N815
    pendingReplacement: bool = False  # noqa: N815
    """Already deleted; still to be made anew."""
    additionalSecretOutputs: list[str] = field(default_factory=list)  # noqa: N815
    aliases: list[str] = field(default_factory=list)
    customTimeouts: dict[str, float] = field(default_factory=dict)  # noqa: N815
    """Seconds by ``create``, ``update``, ``delete``."""
    importID: str = ""  # noqa: N815
    retainOnDelete: bool = False  # noqa: N815
    deletedWith: str = ""  # noqa: N815
    replaceWith: list[str] = field(default_factory=list)  # noqa: N815
    replacementTrigger: Value = None  # noqa: N815
    created: str = ""
    modified: str = ""
    sourcePosition: str = ""  # noqa: N815
    ignoreChanges: list[str] = field(default_factory=list)  # noqa: N815
    replaceOnChanges: list[str] = field(default_factory=list)  # noqa: N815

    def copy(self) -> "Resource":
        return copy.deepcopy(self)

    @property
    def reference(self) -> str:
        """What other resources name when this one is their provider."""
        return f"{self.urn}::{self.id}"

    @property
    def is_provider(self) -> bool:
        return urns.is_provider(self.type)

    def dependency_urns(self, parent: bool = True) -> set[str]:
        """All URNs that must exist before this resource; ``parent``: its parent among them."""
        needed = {*self.dependencies, *self.replaceWith}
        for listed in self.propertyDependencies.values():
            needed.update(listed)
        if self.deletedWith:
            needed.add(self.deletedWith)
        if self.provider:
            needed.add(urns.split_reference(self.provider)[0])
        if parent and self.parent:
            needed.add(self.parent)
        return needed

    def hide_additional_secrets(self) -> None:
        """Mark the outputs named by additionalSecretOutputs as secret."""
        for key in self.additionalSecretOutputs:
            if key in self.outputs:
                self.outputs[key] = secret(self.outputs[key])


_FIELDS = [f.name for f in dataclasses.fields(Resource)]
_ALWAYS = ("urn", "custom", "type")


def now() -> str:
    """The time in the checkpoint's form."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def to_json(resource: Resource, crypter: Crypter) -> dict[str, Any]:
    """The resource as a checkpoint holds it; secrets are encrypted, empty fields left out."""
    document: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(resource, name)
        if name in ("inputs", "outputs", "replacementTrigger"):
            value = _to_state(value, crypter, resource.urn)
        empty = value is None or value is False or value in ("", [], {})
        if name in _ALWAYS or not empty:
            document[name] = value
    return document


def from_json(document: dict[str, Any], crypter: Crypter) -> Resource:
    """A resource out of a checkpoint. Raises for what this engine does not know to keep."""
    urn = document.get("urn", "?")
    for name in _NOT_IMPLEMENTED:
        if document.get(name):
            raise refuse(f"{urn} in the state: {name}", USE_THE_CLI)
    resource = Resource(**{k: v for k, v in document.items() if k in _FIELDS})
    for name in ("inputs", "outputs", "replacementTrigger"):
        value = _from_state(getattr(resource, name), crypter, resource.urn)
        setattr(resource, name, value)
    return resource


def _to_state(value: Value, crypter: Crypter, owner: str) -> Value:
    if is_secret(value):
        plaintext = _compact(_within_secret(value["value"]))
        return {SIGNATURE: SECRET, "ciphertext": crypter.encrypt(plaintext, owner)}
    if isinstance(value, dict):
        if signature(value) == RESOURCE:
            return _within_secret(value)
        return {k: _to_state(v, crypter, owner) for k, v in value.items()}
    if isinstance(value, list):
        return [_to_state(item, crypter, owner) for item in value]
    return value


def _within_secret(value: Value) -> Value:
    """What the CLI encrypts: a secret within a secret keeps its mark, its text is plain there.

    The official providers see a change where such a mark is gone.
    """

    def written(v: Value) -> Value:
        if is_secret(v):
            return {SIGNATURE: SECRET, "ciphertext": _compact(v["value"])}
        if signature(v) != RESOURCE:
            return v
        kept = {k: item for k, item in v.items() if k not in ("name", "type")}
        return {"packageVersion": "", **kept}

    return walk(value, written)


def _compact(value: Value) -> str:
    return json.dumps(value, separators=(",", ":"))


def _from_state(value: Value, crypter: Crypter, owner: str) -> Value:
    def opened(v: Value) -> Value:
        if signature(v) != SECRET:
            return v
        if "plaintext" in v:
            return _open_nested(v)
        if "ciphertext" not in v:
            raise EngineError(f"{owner}: a secret in the state has neither text nor ciphertext")
        inner = json.loads(crypter.decrypt(v["ciphertext"], owner))
        return secret(walk(inner, _open_nested))

    return walk(value, opened)


def _open_nested(value: Value) -> Value:
    """A secret within a secret: its text is plain, as ``_within_secret`` says."""
    if not is_secret(value):
        return value
    text = value["plaintext"] if "plaintext" in value else value["ciphertext"]
    return secret(walk(json.loads(text), _open_nested))
