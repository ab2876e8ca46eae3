"""A server with official layouts, and the tools pointed at it."""

import hashlib
import platform
from collections.abc import Iterator

import pytest

from components.k3s import artifacts
from tests.downloads.release_server import NOBODY, ReleaseServer, serving
from tools import releases

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseServer]:
    """The server; PULUMI_RELEASES_URL and its fellows name it, as a mirror's user would."""
    with serving() as server:
        _point_at(server.address, monkeypatch)
        yield server


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody listens; the tools are pointed at it."""
    _point_at(NOBODY, monkeypatch)
    return NOBODY


@pytest.fixture
def installer(server: ReleaseServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installer with its digest pinned as k3s's own is; gives its path on the server."""
    content = b"#!/bin/sh\necho installer\n"
    path = f"/k3s-io/k3s/{COMMIT}/install.sh"
    server.files[path] = content
    lock = {
        "commit": COMMIT,
        "url": f"{releases.K3S_INSTALLER.official}/{COMMIT}/install.sh",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    monkeypatch.setattr(artifacts, "_LOCK", lock)
    return path


def _point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_RELEASES_URL", f"{address}/releases/sdk")
    monkeypatch.setenv("K3S_RELEASES_URL", f"{address}/k3s-io/k3s/releases/download")
    monkeypatch.setenv("K3S_INSTALLER_URL", f"{address}/k3s-io/k3s")
    monkeypatch.setenv("UBUNTU_IMAGES_URL", f"{address}/query")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
