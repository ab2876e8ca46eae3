"""The provider's own settings: which there are, what they mean, and when they mean another cluster.

Source: ``CheckConfig``, ``DiffConfig`` and ``Configure`` in pulumi-kubernetes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.runtime.proto import provider_pb2

from lab.engine.values import UNKNOWN, Properties, Value, has_unknown, reveal
from lab.plugins.kubernetes.kubeconfig import (
    Access,
    KubeconfigError,
    Section,
    access,
    active_cluster,
    load,
)
from lab.plugins.shapes import Problem

_TEXTS = ("kubeconfig", "context", "cluster", "namespace", "clusterIdentifier")
_SWITCHES = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
_ON = ("enableServerSideApply",)
# They change how the real provider warns and how fast it asks, and nothing that it does.
_WITHOUT_EFFECT = ("suppressDeprecationWarnings", "suppressHelmHookWarnings", "kubeClientSettings")
_ENGINES = ("version", "pluginDownloadURL", "pluginChecksums")
_KNOWN = (*_TEXTS, *_SWITCHES, *_WITHOUT_EFFECT)


@dataclass(frozen=True)
class Settings:
    """A provider's settings; ``access`` is None where there is no cluster to reach, see ``why``."""

    access: Access | None
    why: str
    switches: Mapping[str, bool]

    def __getitem__(self, switch: str) -> bool:
        return self.switches[switch]

    @property
    def namespace(self) -> str:
        """Where objects go that do not say it themselves."""
        return self.access.namespace if self.access else ""


def problems(given: Properties) -> list[Problem]:
    """What is wrong with settings, without asking the cluster."""
    found = [
        (name, f"the lab's kubernetes plugin has no such setting — use {', '.join(_KNOWN)}")
        for name in sorted(given)
        if name not in (*_KNOWN, *_ENGINES) and not name.startswith("__")
    ]
    if not given.get("kubeconfig"):
        missing = "missing — the lab's plugin uses no cluster by chance — write a Provider with it"
        found.append(("kubeconfig", missing))
    elif given["kubeconfig"] != UNKNOWN:
        try:
            _access(given)
        except KubeconfigError as error:
            found.append(("kubeconfig", f"{error} — write a kubeconfig, or the path of one"))
    if not _switch(given, "enableServerSideApply"):
        only = "the lab's plugin has server-side apply alone — leave it out"
        found.append(("enableServerSideApply", only))
    return found


def settings(given: Properties) -> Settings:
    """What is asked for; settings that cannot be used make a cluster that cannot be reached."""
    given = reveal(given)
    switches = {name: _switch(given, name) for name in _SWITCHES}
    if has_unknown({name: given.get(name) for name in _TEXTS}):
        return Settings(None, "its kubeconfig is not known yet", switches)
    try:
        return Settings(_access(given), "", switches)
    except KubeconfigError as error:
        return Settings(None, f"the kubeconfig cannot be used: {error}", switches)


def diff(old: Properties, new: Properties) -> provider_pb2.DiffResponse:
    """Whether settings differ, and mean another cluster: then all on it is made anew."""
    old, new = _own(old), _own(new)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    if not changed:
        return provider_pb2.DiffResponse(changes=none)
    return provider_pb2.DiffResponse(
        changes=some, diffs=changed, replaces=_replaces(old, new, changed)
    )


def _replaces(old: Properties, new: Properties, changed: list[str]) -> list[str]:
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if after and before == after:
        return []
    replaces = ["clusterIdentifier"] if before and after else []
    where = [key for key in ("kubeconfig", "context", "cluster") if key in changed]
    unknown = [key for key in where if new.get(key) == UNKNOWN]
    if unknown:
        return replaces + unknown[:1]
    old_cluster, new_cluster = _cluster(old), _cluster(new)
    if old_cluster and new_cluster and old_cluster != new_cluster:
        replaces += where
    return replaces


def _own(given: Properties) -> Properties:
    return {k: v for k, v in given.items() if k not in _ENGINES and not k.startswith("__")}


def _switch(given: Properties, name: str) -> bool:
    value = given.get(name)
    if value is None:
        value = os.environ.get(_SWITCHES[name], name in _ON)
    return value in (True, "true")


def _access(given: Properties) -> Access:
    texts: dict[str, Any] = {name: given.get(name) or None for name in _TEXTS}
    document = _document(texts["kubeconfig"])
    return access(document, texts["context"], texts["cluster"], texts["namespace"])


def _document(kubeconfig: Value) -> Section:
    if not kubeconfig:
        raise KubeconfigError("there is none")
    return load(kubeconfig if isinstance(kubeconfig, str) else json.dumps(kubeconfig))


def _cluster(given: Properties) -> Section | None:
    try:
        document = _document(given.get("kubeconfig"))
    except KubeconfigError:
        return None
    return active_cluster(document, given.get("context"), given.get("cluster"))
