"""The nodes table, asked of a TLS server that wants the kubeconfig's client certificate."""

import base64
import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools import cluster_api
from tools.messages import ToolError
from tools.paths import clone_state


def node(name: str, *, ready: bool, role: str | None, external: str | None) -> dict[str, Any]:
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}]
    if external:
        addresses.append({"type": "ExternalIP", "address": external})
    labels = {f"node-role.kubernetes.io/{role}": "true"} if role else {}
    return {
        "metadata": {"name": name, "labels": {**labels, "other": "label"}},
        "spec": {},
        "status": {
            "addresses": addresses,
            "nodeInfo": {"kubeletVersion": "v1.2.3+k3s1"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


NODES = [
    node("dev-server-1", ready=True, role="control-plane", external="192.0.2.1"),
    node("dev-agent-1", ready=False, role=None, external=None),
]
TABLE = """\
NAME           STATUS     ROLES           VERSION       INTERNAL-IP   EXTERNAL-IP
dev-agent-1    NotReady   <none>          v1.2.3+k3s1   10.0.0.1      <none>
dev-server-1   Ready      control-plane   v1.2.3+k3s1   10.0.0.1      192.0.2.1"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = _pem(self._built(self._name, self._key.public_key(), ca=True))

    def issue(self, name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Pair(_pem(self._built(subject, key.public_key(), ca=False)), secret.decode())

    def _built(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Api:
    """An API server's /api/v1/nodes, which only a client of `authority` may read."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority("cluster")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Nodes)
        pair, ca = self.authority.issue("server"), folder / "ca.pem"
        ca.write_text(self.authority.certificate)
        (folder / "server.pem").write_text(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def kubeconfig(self, ca: str, client: Pair) -> str:
        def data(text: str) -> str:
            return base64.b64encode(text.encode()).decode()

        server = f"https://127.0.0.1:{self.server.server_port}"
        user = {
            "client-certificate-data": data(client.certificate),
            "client-key-data": data(client.key),
        }
        cluster = {"server": server, "certificate-authority-data": data(ca)}
        return yaml.safe_dump(
            {
                "clusters": [{"name": "dev", "cluster": cluster}],
                "users": [{"name": "dev", "user": user}],
                "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "dev"}}],
                "current-context": "dev",
            }
        )


class _Nodes(BaseHTTPRequestHandler):
    starting = 0
    """So many requests come before the API is ready."""

    def do_GET(self) -> None:
        content = json.dumps({"items": NODES}).encode()
        status = 200 if self.path == "/api/v1/nodes" else 403
        if _Nodes.starting:
            _Nodes.starting, status = _Nodes.starting - 1, 503
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def serving_nodes(folder: Path) -> Iterator[Api]:
    """The API server on a free port, gone at the end; its certificates are put into `folder`."""
    api = Api(folder)
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        thread.join()
        api.server.server_close()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving_nodes(tmp_path) as api:
        yield api


def test_the_table_shows_names_roles_status_version_and_both_addresses(api: Api) -> None:
    kubeconfig = api.kubeconfig(api.authority.certificate, api.authority.issue("admin"))

    assert cluster_api.nodes_table(kubeconfig) == TABLE


def test_a_server_of_another_authority_is_not_believed(api: Api) -> None:
    kubeconfig = api.kubeconfig(Authority("other").certificate, api.authority.issue("admin"))

    with pytest.raises(ToolError, match="certificate verify failed"):
        cluster_api.nodes_table(kubeconfig)


def test_a_client_without_the_right_certificate_gets_no_nodes(api: Api) -> None:
    kubeconfig = api.kubeconfig(api.authority.certificate, Authority("other").issue("admin"))

    with pytest.raises(ToolError, match="the cluster's API does not answer"):
        cluster_api.nodes_table(kubeconfig)


def test_an_answer_other_than_ok_is_told(api: Api) -> None:
    where = cluster_api.access(
        api.kubeconfig(api.authority.certificate, api.authority.issue("admin"))
    )

    with pytest.raises(ToolError, match="the API answers 403"):
        cluster_api.get(where, "/api/v1/secrets")


def test_an_api_that_is_starting_is_waited_for_where_there_is_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = api.kubeconfig(api.authority.certificate, api.authority.issue("admin"))
    monkeypatch.setattr(_Nodes, "starting", 3)

    with pytest.raises(ToolError, match="the API answers 503"):
        cluster_api.nodes_table(kubeconfig)
    assert cluster_api.nodes_table(kubeconfig, patience=60) == TABLE


def test_the_clients_key_is_left_in_no_file(api: Api) -> None:
    cluster_api.nodes_table(api.kubeconfig(api.authority.certificate, api.authority.issue("admin")))

    assert not list(clone_state().made().glob(".api-*"))


def test_a_cordoned_node_says_so() -> None:
    cordoned = {**NODES[0], "spec": {"unschedulable": True}}

    assert cluster_api.node_row(cordoned)[1] == "Ready,SchedulingDisabled"
