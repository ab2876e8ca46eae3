"""What the state holds of an object: the live one, the inputs, and which of it is secret.

Layout: ``checkpointObject`` in pulumi-kubernetes, ``provider/pkg/provider/provider.go``.
"""

import base64
import copy
from typing import Any

from lab.engine.values import Properties, Value, is_secret, reveal, secret, signature
from lab.plugins.kubernetes.api import Object

INPUTS, API_VERSION, MANAGER = "__inputs", "__initialApiVersion", "__fieldManager"
_DASHED = (
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)
_TO_DASHES = {name.replace("-", "_"): name for name in _DASHED}
_TO_UNDERSCORES = {dashed: underscored for underscored, dashed in _TO_DASHES.items()}
_READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_SECRET_DATA = ("data", "stringData")


def to_object(properties: Properties) -> Object:
    """Properties as the server takes them: without marks, keys spelt as the server has them."""
    found: Object = _renamed(reveal(without_notes(properties)), _TO_DASHES)
    metadata = found.get("metadata")
    if isinstance(metadata, dict):
        found["metadata"] = {k: v for k, v in metadata.items() if k not in _READ_ONLY}
    return dict(_without_nulls(found))


def live_object(state: Properties) -> Object:
    """The object that a state holds, read-only fields included."""
    return dict(_renamed(reveal(without_notes(state)), _TO_DASHES))


def inputs_of_state(state: Properties) -> Properties:
    """The inputs that made it, with the marks of secrets."""
    inputs = state.get(INPUTS) or {}
    return dict(inputs["value"] if is_secret(inputs) else inputs)


def without_notes(properties: Properties) -> Properties:
    """Without what the provider notes down for itself."""
    return {k: v for k, v in properties.items() if not k.startswith("__")}


def state_of(live: Object, inputs: Properties, manager: str) -> Properties:
    """What goes into the state, secrets marked where the inputs have them."""
    shown = marked_like(_renamed(live, _TO_UNDERSCORES), inputs)
    return {
        **shown,
        INPUTS: marked_like(reveal(inputs), inputs),
        API_VERSION: inputs.get("apiVersion") or live.get("apiVersion"),
        MANAGER: manager,
    }


def marked_like(value: Properties, like: Properties) -> Properties:
    """``value`` with secret marks where ``like`` has them, a list as a whole.

    A Secret's data are secret however they were written (``annotateSecrets`` there).
    """
    marked = dict(value)
    if marked.get("kind") == "Secret":
        marked |= {name: secret(marked[name]) for name in _SECRET_DATA if name in marked}
    for key in marked.keys() & like.keys():
        before, after = like[key], marked[key]
        if _is_map(before) and _is_map(after):
            marked[key] = marked_like(after, before)
        elif has_secret(before):
            marked[key] = secret(after)
    return marked


def has_secret(value: Value) -> bool:
    """Whether anything within is marked as secret."""
    if isinstance(value, dict):
        return is_secret(value) or any(map(has_secret, value.values()))
    return isinstance(value, list) and any(map(has_secret, value))


def pruned(live: Value, like: Value) -> Value:
    """Of the live value what ``like`` has too, so that the cluster's own fields do not differ."""
    if isinstance(live, dict) and isinstance(like, dict):
        return {key: pruned(live[key], like[key]) for key in live if key in like}
    if isinstance(live, list) and isinstance(like, list):
        return [pruned(item, like[i]) for i, item in enumerate(live[: len(like)])]
    return live


def normal(found: Object) -> Object:
    """Of two ways to write one object the one that the server gives back."""
    if found.get("apiVersion") != "v1" or found.get("kind") != "Secret":
        return found
    found = copy.copy(found)
    texts = found.pop("stringData", None)
    if isinstance(texts, dict):
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in texts.items()}
        found["data"] = {**(found.get("data") or {}), **encoded}
    return found


def _renamed(value: Value, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _without_nulls(value: Value) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _is_map(value: Value) -> bool:
    return isinstance(value, dict) and signature(value) is None
