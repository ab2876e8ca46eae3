"""How an object differs from what is wanted, and which differences mean a new object.

Which fields those are: ``provider/pkg/provider/diff.go`` in pulumi-kubernetes.
"""

import copy
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from pulumi.runtime.proto import provider_pb2

from lab.engine.values import UNKNOWN, Value
from lab.plugins import diff
from lab.plugins.kubernetes.api import Object
from lab.plugins.refused import RefusedError

_SELECTOR = (".spec.selector",)
_STATEFUL_SET = (
    *_SELECTOR,
    ".spec.podManagementPolicy",
    ".spec.revisionHistoryLimit",
    ".spec.serviceName",
    ".spec.volumeClaimTemplates",
)
_CLAIM = (
    *_SELECTOR,
    ".spec.accessModes",
    ".spec.storageClassName",
    ".spec.volumeName",
)
_VOLUME_SOURCES = tuple(
    f".spec.{source}"
    for source in ("csi", "fc", "hostPath", "iscsi", "local", "nfs", "rbd", "cephfs")
)
_ROLE_BINDING = (".roleRef",)
_REPLACING: dict[tuple[str, str], Sequence[str]] = {
    ("apps/v1", "DaemonSet"): _SELECTOR,
    ("apps/v1", "Deployment"): _SELECTOR,
    ("apps/v1", "StatefulSet"): _STATEFUL_SET,
    ("batch/v1", "Job"): (
        *_SELECTOR,
        ".spec.completions",
        ".spec.parallelism",
        ".spec.template",
    ),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): _ROLE_BINDING,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): _ROLE_BINDING,
    ("storage.k8s.io/v1", "StorageClass"): (".parameters", ".provisioner"),
    ("v1", "PersistentVolume"): _VOLUME_SOURCES,
    ("v1", "PersistentVolumeClaim"): _CLAIM,
    ("v1", "Pod"): (".spec",),
    ("v1", "ResourceQuota"): (".spec.scopes",),
    ("v1", "Service"): (".spec.clusterIP",),
}
_IDENTITY = (".metadata.name", ".metadata.namespace")
_SUFFIXES = {
    "": 0,
    "n": -9,
    "u": -6,
    "m": -3,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)}
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([KMGTPE]i|[numkMGTPE]?)\Z")
_QUANTITIES = ("limits", "requests", "capacity", "hard", "sizeLimit", "storage", "default")

_PARTS = re.compile(r"[.\[\]\"]+")

_STEPS = re.compile(r'([^.\[\]"]+)(?=[.\[]|$)|\["(.*?)"\]|\[(\d+)\]')
_QUOTED = re.compile(r'\["(.*?)"\]')

Kinds = dict[str, provider_pb2.PropertyDiff.Kind.ValueType]


def replacing_fields(wanted: Object, secret_mutable: bool, config_mutable: bool) -> tuple[str, ...]:
    """The fields whose change means a new object."""
    key = (wanted.get("apiVersion", ""), wanted.get("kind", ""))
    immutable = wanted.get("immutable") is True
    if key == ("v1", "Secret"):
        closed = not secret_mutable or immutable
        return (*_IDENTITY, ".type", *((".stringData", ".data") if closed else ()))
    if key == ("v1", "ConfigMap"):
        closed = not config_mutable or immutable
        return (*_IDENTITY, *((".binaryData", ".data") if closed else ()))
    return (*_IDENTITY, *_REPLACING.get(key, ()))


def differences(old: Value, new: Value) -> Kinds:
    """The paths that differ, without those that the server writes in another way."""
    return {
        path: kind
        for path, kind in diff.differences(old, new)
        if not _equivalent(path, _at(old, path), _at(new, path))
    }


def response(
    changes: Kinds, replacing: Sequence[str], ignored: Sequence[str], same_name: bool
) -> provider_pb2.DiffResponse:
    """The answer to the engine. ``same_name``: a new object would take the old one's place."""
    detailed: dict[str, provider_pb2.PropertyDiff] = {}
    replaced = []
    for path, kind in changes.items():
        if any(_covers(other, path) for other in ignored):
            continue
        if any(_covers(field[1:], path) or _covers(path, field[1:]) for field in replacing):
            kind = diff.REPLACING[kind]
            replaced.append(path)
        detailed[path] = provider_pb2.PropertyDiff(kind=kind)
    some = provider_pb2.DiffResponse.DIFF_SOME
    return provider_pb2.DiffResponse(
        changes=some if detailed else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({re.split(r"[.\[]", path, maxsplit=1)[0] for path in detailed}),
        replaces=replaced,
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(replaced) and same_name,
    )


def kept(wanted: Object, live: Object, ignored: Sequence[str]) -> Object:
    """What is wanted, with what the cluster has at the paths of ignoreChanges."""
    wanted = copy.deepcopy(wanted)
    for path in ignored:
        keys = [quoted or key for key, quoted, index in _STEPS.findall(path) if not index]
        value = _at(live, path)
        if value is None or _at(wanted, path) is None:
            continue
        if "[" in _QUOTED.sub("", path):
            raise RefusedError(
                f"ignoreChanges {path!r} — the lab's kubernetes plugin ignores no items of lists — "
                "write the path of the list"
            )
        holder = wanted
        for key in keys[:-1]:
            holder = holder[key]
        holder[keys[-1]] = value
    return wanted


def _covers(whole: str, part: str) -> bool:
    """Whether a path is another one or within it."""
    return part == whole or part.startswith((f"{whole}.", f"{whole}["))


def _equivalent(path: str, old: Value, new: Value) -> bool:
    """Whether the server takes one for the other: it leaves out what is empty, and shortens
    quantities."""
    if UNKNOWN in (old, new):
        return False
    if old is None or new is None:
        return not old and not new
    if path.startswith("spec") and any(part in _QUANTITIES for part in _PARTS.split(path)):
        before, after = quantity(old), quantity(new)
        return before is not None and before == after
    return False


def quantity(value: Value) -> Decimal | None:
    """A resource quantity's number, None for what is none: 0.5 for "500m".

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _QUANTITY.match(str(value))
    try:
        if not found:
            return Decimal(str(value))
        number, suffix = Decimal(found[1]), found[2]
    except InvalidOperation:
        return None
    return number * (_BINARY[suffix] if suffix in _BINARY else Decimal(10) ** _SUFFIXES[suffix])


def _at(value: Value, path: str) -> Value:
    """What is at a path as ``lab.plugins.diff`` writes it; None where nothing is."""
    for key, quoted, index in _STEPS.findall(path):
        if index:
            value = (
                value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
            )
        else:
            value = value.get(quoted or key) if isinstance(value, dict) else None
    return value
