"""Kubeconfigs: which server, and what to say to it.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. How contents and paths are
told apart: ``parseKubeconfigString`` in pulumi-kubernetes, ``provider/pkg/provider/util.go``.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Section = Mapping[str, Any]

_CLUSTER_KEYS = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "extensions",
}
_USER_KEYS = {
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
    "extensions",
}


class KubeconfigError(Exception):
    """A kubeconfig cannot be used; the text holds no secret."""


@dataclass(frozen=True)
class Access:
    """One cluster as one user sees it. Certificates and keys are in PEM."""

    server: str
    namespace: str
    ca: bytes | None = None
    insecure: bool = False
    server_name: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = None
    username: str | None = None
    password: str | None = None

    def as_kubeconfig(self) -> str:
        """A kubeconfig with this access alone and nothing in other files, in JSON."""
        cluster = {
            "server": self.server,
            "certificate-authority-data": _encoded(self.ca),
            "insecure-skip-tls-verify": self.insecure or None,
            "tls-server-name": self.server_name,
        }
        user = {
            "client-certificate-data": _encoded(self.certificate),
            "client-key-data": _encoded(self.key),
            "token": self.token,
            "username": self.username,
            "password": self.password,
        }
        context = {"cluster": "it", "user": "it", "namespace": self.namespace}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "it", "cluster": _given(cluster)}],
                "users": [{"name": "it", "user": _given(user)}],
                "contexts": [{"name": "it", "context": context}],
                "current-context": "it",
            }
        )


def load(path_or_contents: str) -> Section:
    """The kubeconfig in a file, or the one that the text is."""
    text = path_or_contents
    path = Path(text).expanduser() if "\n" not in text and len(text) < 4096 else None
    try:
        if path and path.exists():
            text = path.read_text()
    except OSError as error:
        raise KubeconfigError(f"{path} cannot be read: {error.strerror}") from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:  # its own text quotes the document
        raise KubeconfigError("it is neither YAML nor the path of a file") from error
    if not isinstance(document, dict):
        raise KubeconfigError("it is neither a kubeconfig nor the path of one")
    return document


def active_cluster(document: Section, context: str | None, cluster: str | None) -> Section | None:
    """The settings of the cluster that is spoken to, None where there is none."""
    chosen = _entry(document, "context", context or document.get("current-context") or "")
    if chosen is None:
        return None
    return _entry(document, "cluster", cluster or chosen.get("cluster") or "")


def access(
    document: Section, context: str | None, cluster: str | None, namespace: str | None
) -> Access:
    """How the cluster is reached. Raises ``KubeconfigError``."""
    name = context or document.get("current-context") or ""
    chosen = _entry(document, "context", name)
    if chosen is None:
        raise KubeconfigError(f"it has no context {name!r}")
    cluster_name = cluster or chosen.get("cluster") or ""
    where = _entry(document, "cluster", cluster_name)
    if where is None or not where.get("server"):
        raise KubeconfigError(f"it has no cluster {cluster_name!r} with a server")
    user = _entry(document, "user", chosen.get("user") or "") or {}
    _refuse_others("cluster", where, _CLUSTER_KEYS)
    _refuse_others("user", user, _USER_KEYS)
    return Access(
        server=str(where["server"]).rstrip("/"),
        namespace=namespace or chosen.get("namespace") or "default",
        ca=_pem(where, "certificate-authority"),
        insecure=bool(where.get("insecure-skip-tls-verify")),
        server_name=where.get("tls-server-name"),
        certificate=_pem(user, "client-certificate"),
        key=_pem(user, "client-key"),
        token=user.get("token") or _token_in_file(user),
        username=user.get("username"),
        password=user.get("password"),
    )


def _entry(document: Section, kind: str, name: str) -> Section | None:
    """The named one among clusters, contexts or users."""
    for entry in document.get(f"{kind}s") or ():
        if entry.get("name") == name:
            found: Section = entry.get(kind) or {}
            return found
    return None


def _refuse_others(kind: str, section: Section, known: set[str]) -> None:
    others = sorted(section.keys() - known)
    if others:
        raise KubeconfigError(
            f"its {kind} has {', '.join(others)}, which the lab's plugin does not know"
        )


def _pem(section: Section, name: str) -> bytes | None:
    if data := section.get(f"{name}-data"):
        try:
            return base64.b64decode(data, validate=True)
        except (ValueError, TypeError) as error:
            raise KubeconfigError(f"its {name}-data is not base64") from error
    return _read(section[name]) if section.get(name) else None


def _token_in_file(user: Section) -> str | None:
    return _read(user["tokenFile"]).decode().strip() if user.get("tokenFile") else None


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{path} cannot be read: {error.strerror}") from error


def _encoded(data: bytes | None) -> str | None:
    return base64.b64encode(data).decode() if data else None


def _given(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}
