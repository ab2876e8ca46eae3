"""A web server with files as official releases lay them out."""

import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

# Which Python's own socket module does not name before 3.14.
_IP_FREEBIND = 15
# Nobody listens there, and nobody is given that port: a server's own may be another's once it ends.
NOBODY = "http://127.0.0.1:1"


class ReleaseServer:
    """`files` by path; those in `cut_off` end early, those in `silent` never begin.

    Those in `held` begin when their event is set.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.cut_off: set[str] = set()
        self.redirects: dict[str, str] = {}
        self.silent: set[str] = set()
        self.held: dict[str, threading.Event] = {}
        self.closing = threading.Event()
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        """Address of a path."""
        return f"{self.address}{path}"

    def put_cli(self, version: str, platform: str = "linux-x64", script: str | None = None) -> str:
        """A Pulumi CLI as get.pulumi.com has it; gives the archive's path."""
        archive = cli_archive({"pulumi/pulumi": script or f"#!/bin/sh\necho v{version}\n"})
        path = f"/releases/sdk/pulumi-v{version}-{platform}.tar.gz"
        self.files[path] = archive
        sums = sums_file({path.rpartition("/")[2]: archive, "pulumi-v0-linux-arm64.tar.gz": b"x"})
        self.files[f"/releases/sdk/pulumi-{version}-checksums.txt"] = sums
        return path

    def put_k3s(self, version: str, arch: str = "amd64") -> str:
        """A k3s release as its release page has it; gives the folder's path."""
        binary = "k3s" if arch == "amd64" else f"k3s-{arch}"
        content = {
            binary: b"#!/bin/sh\necho k3s version\n",
            f"k3s-airgap-images-{arch}.tar.zst": b"images " * 1000,
        }
        folder = f"/k3s-io/k3s/releases/download/{quote(version)}"
        for name, data in content.items():
            self.files[f"{folder}/{name}"] = data
        self.files[f"{folder}/sha256sum-{arch}.txt"] = sums_file(content)
        return folder


def cli_archive(files: dict[str, str]) -> bytes:
    """A .tar.gz of executables."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def sums_file(files: dict[str, bytes]) -> bytes:
    """What sha256sum prints."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    return "".join(lines).encode()


@contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[ReleaseServer]:
    """A server on a free port of an IPv4 address, loopback's if none is given; gone at the end."""
    with _Server((address, 0), _Handler) as http:
        http.daemon_threads = True
        server = ReleaseServer(f"http://{address}:{http.server_port}")
        http.releases = server  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            for event in server.held.values():
                event.set()
            http.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        # A bridge has its address only once a node is on it: ip(7), IP_FREEBIND.
        self.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        releases: ReleaseServer = self.server.releases  # type: ignore[attr-defined]
        releases.asked.append(self.path)
        if target := releases.redirects.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        if self.path in releases.silent:
            releases.closing.wait()
            return
        if event := releases.held.get(self.path):
            event.wait()
        content = releases.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path in releases.cut_off else content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what was asked is in `asked`."""
