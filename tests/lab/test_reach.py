"""A machine looks at the registration address before k3s joins there for ever."""

import hashlib
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.scripts import compose
from tests.conftest import K3sRelease
from tests.unit.stackfiles import ROOT

SCRIPTS = ROOT / "components" / "k3s" / "scripts"
# The folder in which k3s is, its data and what is noted are the test's own.
MAIN = """
K3S={k3s}
SERVER_DATA={folder}/server
REGISTRATION_CA={folder}/registration-ca
main() {{ check_registration; echo joins; }}
main </dev/null
"""


@contextmanager
def registration(folder: Path, *, ahead: int = 0) -> Iterator[tuple[str, str]]:
    """What k3s answers strangers there, its clock so many seconds ahead of the time; gives host and
    port, and the CA's SHA-256."""
    names = {"-keyout": folder / "key.pem", "-out": folder / "ca.pem"}
    words = [str(word) for pair in names.items() for word in pair]
    made = ("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=k3s")
    subprocess.run([*made, *words], check=True, capture_output=True)
    ca = (folder / "ca.pem").read_bytes()

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.split("?")[0] == "/cacerts"
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(ca if known else b"Unauthorized\n")

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + ahead)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"127.0.0.1:{server.server_port}", hashlib.sha256(ca).hexdigest()
    finally:
        server.shutdown()
        server.server_close()


def looks(
    folder: Path, release: K3sRelease, *, role: str, config: str
) -> "subprocess.CompletedProcess[str]":
    """What a machine with `config` does, its data in `folder`."""
    text = compose(
        [SCRIPTS / f"{part}.sh" for part in ("lib", "clock", "reach")],
        {
            "NODE": "node-2",
            "STEP": "install",
            "ROLE": role,
            "CONFIG": config,
            "REACH_SECONDS": "2",
        },
    )
    text += MAIN.format(k3s=release.folder / "k3s", folder=folder)
    return subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False)


def joining(address: str, digest: str) -> str:
    return f"server: https://{address}\ntoken: K10{digest}::server:secret\nnode-name: node-2\n"


def test_a_machine_joins_whoever_shows_the_clusters_ca(
    tmp_path: Path, k3s_release: K3sRelease
) -> None:
    with registration(tmp_path) as (address, digest):
        done = looks(tmp_path, k3s_release, role="agent", config=joining(address, digest))
    assert (done.stdout, done.stderr) == ("joins\n", "")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("registration")] == []


def test_a_machine_does_not_join_another_cluster(tmp_path: Path, k3s_release: K3sRelease) -> None:
    with registration(tmp_path) as (address, digest):
        done = looks(tmp_path, k3s_release, role="agent", config=joining(address, "0" * 64))
    assert done.returncode == 1
    assert f"https://{address} belongs to another cluster" in done.stderr
    assert f"has SHA-256 {digest}, this stack's has {'0' * 64}" in done.stderr


@pytest.mark.parametrize(("ahead", "way"), [(600, "behind"), (-600, "ahead of")])
def test_a_machine_whose_clock_is_ten_minutes_off_does_not_join(
    tmp_path: Path, k3s_release: K3sRelease, ahead: int, way: str
) -> None:
    with registration(tmp_path, ahead=ahead) as (address, digest):
        done = looks(tmp_path, k3s_release, role="agent", config=joining(address, digest))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    # A second may pass between the two.
    assert re.search(rf"clock is (10 min [01]|9 min 5[89]) s {way} that of https://{address}", line)


@pytest.mark.parametrize(("role", "warned"), [("agent", False), ("server", True)])
def test_who_finds_nobody_says_so_after_a_bounded_time(
    tmp_path: Path, k3s_release: K3sRelease, role: str, warned: bool
) -> None:
    config = joining("127.0.0.1:9", "0" * 64)
    done = looks(tmp_path, k3s_release, role=role, config=config)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "node-2: install: https://127.0.0.1:9 has not answered within 2 s: "
        "The connection to the server 127.0.0.1:9 was refused"
    )
    assert ("if this was the only server, the cluster went with its machine" in line) is warned
    assert "secret" not in line


@pytest.mark.parametrize("data", ["db/etcd/member", ""])
def test_a_member_and_the_first_server_ask_nobody(
    tmp_path: Path, k3s_release: K3sRelease, data: str
) -> None:
    (tmp_path / "server" / data).mkdir(parents=True)
    config = joining("127.0.0.1:9", "0" * 64) if data else "cluster-init: true\ntoken: secret\n"
    done = looks(tmp_path, k3s_release, role="server", config=config)
    assert (done.stdout, done.stderr) == ("joins\n", "")
