"""The cluster's nodes, asked over HTTPS with the kubeconfig's own certificates: no kubectl."""

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tools.messages import ToolError
from tools.paths import clone_state

ANSWER_SECONDS = 15.0
_PAUSE = 0.5
_ROLE_LABEL = "node-role.kubernetes.io/"
_COLUMNS = ("NAME", "STATUS", "ROLES", "VERSION", "INTERNAL-IP", "EXTERNAL-IP")


class SilentError(ToolError):
    """The API does not answer, or not yet."""


@dataclass(frozen=True)
class Access:
    """What a kubeconfig's current context says: server address, CA and client certificate (PEM)."""

    server: str
    ca: str
    certificate: str
    key: str


def access(kubeconfig: str) -> Access:
    """Reads a kubeconfig with embedded certificates, as k3s writes it."""
    content = yaml.safe_load(kubeconfig)
    context = _named(content["contexts"], content["current-context"])["context"]
    cluster = _named(content["clusters"], context["cluster"])["cluster"]
    user = _named(content["users"], context["user"])["user"]
    return Access(
        server=cluster["server"],
        ca=_decoded(cluster["certificate-authority-data"]),
        certificate=_decoded(user["client-certificate-data"]),
        key=_decoded(user["client-key-data"]),
    )


def get(where: Access, path: str) -> dict[str, Any]:
    """GETs a path of the API. Raises ToolError when there is no answer or not a good one."""
    parts = urlsplit(where.server)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=ANSWER_SECONDS, context=_tls(where)
    )
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise SilentError(
            where.server, f"the cluster's API does not answer: {error}", "see whether its nodes run"
        ) from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        starting = response.status >= http.client.INTERNAL_SERVER_ERROR
        raise (SilentError if starting else ToolError)(
            f"{where.server}{path}", f"the API answers {response.status}", "run `make up` again"
        )
    answer: dict[str, Any] = json.loads(body)
    return answer


def nodes_table(kubeconfig: str, *, patience: float = 0.0) -> str:
    """The nodes as `kubectl get nodes -o wide` shows them, in fewer columns.

    `patience`: seconds in which an API that is silent may begin to answer.
    """
    where, deadline = access(kubeconfig), time.monotonic() + patience
    while True:
        try:
            nodes = get(where, "/api/v1/nodes")["items"]
            break
        except SilentError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)
    rows = sorted(node_row(node) for node in nodes)
    return table([_COLUMNS, *rows])


def node_row(node: Mapping[str, Any]) -> tuple[str, ...]:
    """One Node object as a row of the table."""
    status, labels = node["status"], node["metadata"].get("labels", {})
    roles = sorted(key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL))
    return (
        node["metadata"]["name"],
        _readiness(node),
        ",".join(roles) or "<none>",
        status.get("nodeInfo", {}).get("kubeletVersion", "<none>"),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def _readiness(node: Mapping[str, Any]) -> str:
    conditions = node["status"].get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    cordoned = ",SchedulingDisabled" if node.get("spec", {}).get("unschedulable") else ""
    return ("Ready" if ready else "NotReady") + cordoned


def _address(status: Mapping[str, Any], kind: str) -> str:
    found = [a["address"] for a in status.get("addresses", []) if a["type"] == kind]
    return ",".join(found) or "<none>"


def _tls(where: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=where.ca)
    # Python loads a client key from a file only: one in a folder of mode 0700, gone at once.
    with tempfile.TemporaryDirectory(dir=clone_state().made(), prefix=".api-") as folder:
        pair = Path(folder) / "client.pem"
        pair.touch(mode=0o600)
        pair.write_text(f"{where.certificate}\n{where.key}\n")
        context.load_cert_chain(pair)
    return context


def _named(items: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(item for item in items if item["name"] == name)


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()
