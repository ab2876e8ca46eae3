"""`make pin` records what releases publish, and a pinned release cannot change unnoticed."""

import json
from pathlib import Path

import pytest

from tests.downloads.release_server import ReleaseServer
from tools import k3s_release, pin, pulumi_cli, releases, stackfile
from tools.https import DownloadError
from tools.paths import CLONE
from tools.releases import Source

PULUMI = pulumi_cli.pinned_version()
K3S = k3s_release.version(stackfile.load("dev"))


@pytest.fixture
def lock_file(server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock file of the test's own; what is official is the server."""
    path = tmp_path / "releases.lock.json"
    path.write_text(releases.LOCK_FILE.read_text())
    monkeypatch.setattr(releases, "LOCK_FILE", path)
    sdk, k3s = server.url("/releases/sdk"), server.url("/k3s-io/k3s/releases/download")
    monkeypatch.setattr(releases, "PULUMI", Source(sdk, "PULUMI_RELEASES_URL"))
    monkeypatch.setattr(releases, "K3S", Source(k3s, "K3S_RELEASES_URL"))
    return path


def put_all(server: ReleaseServer) -> None:
    sums = b""
    for platform in ("linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"):
        server.put_cli(PULUMI, platform)
        path = f"/releases/sdk/pulumi-{PULUMI}-checksums.txt"
        sums += server.files[path].splitlines(keepends=True)[0]
        server.files[path] = sums
    for file in CLONE.glob("Pulumi.*.yaml"):
        version = k3s_release.version(stackfile.load(file.name.split(".")[1]))
        server.put_k3s(version, "amd64")
        server.put_k3s(version, "arm64")


def test_every_file_that_may_be_downloaded_is_recorded(
    server: ReleaseServer, lock_file: Path
) -> None:
    put_all(server)

    pin.run()

    recorded = json.loads(lock_file.read_text())
    assert recorded["pulumi"] == PULUMI
    assert recorded["sha256"].keys() == {asset.official for asset in pin.assets()}
    assert all(len(digest) == 64 for digest in recorded["sha256"].values())


def test_a_release_that_is_made_anew_is_noticed(server: ReleaseServer, lock_file: Path) -> None:
    put_all(server)
    pin.run()
    asset = pulumi_cli.asset_for("linux", "amd64")
    asset.digest()
    server.put_cli(PULUMI, script="#!/bin/sh\necho made anew\n")

    with pytest.raises(DownloadError, match=f"{lock_file.name} pins [0-9a-f]{{64}}"):
        asset.digest()


def test_nothing_is_recorded_when_a_release_cannot_be_had(
    server: ReleaseServer, lock_file: Path
) -> None:
    put_all(server)
    before = lock_file.read_text()
    del server.files[f"/releases/sdk/pulumi-{PULUMI}-checksums.txt"]

    with pytest.raises(DownloadError, match="404"):
        pin.run()

    assert lock_file.read_text() == before
