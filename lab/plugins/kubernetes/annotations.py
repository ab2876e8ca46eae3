"""Annotations that steer the provider, and how objects get their names.

https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/ and
``provider/pkg/metadata`` in pulumi-kubernetes.
"""

import hashlib
import secrets
from typing import Any

from lab.engine.values import UNKNOWN, Properties, is_secret, reveal
from lab.plugins.shapes import Problem

PREFIX = "pulumi.com/"
AUTONAMED = PREFIX + "autonamed"
SKIP_AWAIT = PREFIX + "skipAwait"
WAIT_FOR = PREFIX + "waitFor"
TIMEOUT = PREFIX + "timeoutSeconds"
FORCE = PREFIX + "patchForce"
MANAGER = PREFIX + "patchFieldManager"
PROPAGATION = PREFIX + "deletionPropagationPolicy"
KNOWN = (AUTONAMED, SKIP_AWAIT, WAIT_FOR, TIMEOUT, FORCE, MANAGER, PROPAGATION)

AWAIT_SECONDS = 600.0
_POLICIES = {"orphan": "Orphan", "background": "Background"}


def metadata(properties: Properties) -> Properties:
    """The metadata, {} where there is none or it is not known yet."""
    found = properties.get("metadata")
    if isinstance(found, dict) and is_secret(found):
        found = found["value"]
    return found if isinstance(found, dict) else {}


def annotation(properties: Properties, name: str) -> str:
    """An annotation's text, "" where there is none."""
    annotations = metadata(properties).get("annotations")
    value = annotations.get(name) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) and value != UNKNOWN else ""


def is_set(properties: Properties, name: str) -> bool:
    """Whether the annotation is "true"."""
    return annotation(properties, name) == "true"


def await_seconds(properties: Properties, custom_timeout: float) -> float:
    """How long to wait: customTimeouts, else the annotation, else the provider's ten minutes."""
    if custom_timeout:
        return custom_timeout
    given = annotation(properties, TIMEOUT)
    return float(given) if given.isdigit() else AWAIT_SECONDS


def deletion_propagation(properties: Properties) -> str:
    """What becomes of dependents when it is deleted."""
    return _POLICIES.get(annotation(properties, PROPAGATION).lower(), "Foreground")


def problems(inputs: Properties) -> list[Problem]:
    """Annotations that look like the provider's and are not among those known here."""
    annotations = metadata(inputs).get("annotations")
    given = annotations if isinstance(annotations, dict) else {}
    found = [
        (
            f"metadata.annotations[{name!r}]",
            f"the lab's kubernetes plugin does not know {name} — use one of: {', '.join(KNOWN)}",
        )
        for name in sorted(given)
        if name.startswith(PREFIX) and name not in KNOWN
    ]
    if metadata(inputs).get("generateName") and not metadata(inputs).get("name"):
        found.append(
            ("metadata.generateName", "not supported with server-side apply — write metadata.name")
        )
    return found


def unique_name(prefix: str, seed: bytes) -> str:
    """``<prefix>-`` and 8 hexadecimal digits, the same for the same seed of the engine."""
    suffix = hashlib.sha256(seed).hexdigest()[:8] if seed else secrets.token_hex(4)
    return f"{prefix}-{suffix}"


def named(inputs: Properties, olds: Properties, fresh_name: str) -> Properties:
    """The inputs with a name: the given one, else that which it got before, else a fresh one."""
    own = metadata(inputs)
    if own.get("name"):
        return inputs
    before = metadata(olds).get("name") if is_set(olds, AUTONAMED) else None
    annotations = reveal(own.get("annotations") or {})
    if annotations != UNKNOWN:
        annotations = {**annotations, AUTONAMED: "true"}
    name = {"name": before or fresh_name, "annotations": annotations}
    return {**inputs, "metadata": {**own, **name}}


def qualified_name(found: dict[str, Any]) -> str:
    """namespace/name, or the name alone where there is no namespace."""
    own = found["metadata"]
    return f"{own['namespace']}/{own['name']}" if own.get("namespace") else str(own["name"])
