"""What a node does when it fetches a release itself: `prepare`'s own functions, on this machine."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from components import scripts
from tests.downloads.release_server import ReleaseServer

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "components" / "k3s" / "scripts"
PARTS = ("lib", "cloud_init", "metadata", "release", "prepare")
VERSION = "v1.34.4+k3s1"
INSTALLER = b"#!/bin/sh\necho installer\n"

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None, reason="nodes fetch with curl, which is not on this machine"
)


class Node:
    """A store of artifacts that `prepare` fills from the server."""

    def __init__(self, store: Path, server: ReleaseServer) -> None:
        self.store, self.server = store, server
        self.folder = server.put_k3s(VERSION)
        server.files["/install.sh"] = INSTALLER
        self.base = server.url(f"/k3s-io/k3s/releases/download/{quote(VERSION)}")

    def fetch(self) -> "subprocess.CompletedProcess[str]":
        variables = {
            "NODE": "node",
            "STEP": "prepare",
            "STORE": str(self.store),
            "BINARY": "k3s",
            "IMAGES": "k3s-airgap-images-amd64.tar.zst",
            "CHECKSUMS": "sha256sum-amd64.txt",
            "INSTALLER_SHA256": hashlib.sha256(INSTALLER).hexdigest(),
            "BASE_URL": self.base,
            "INSTALLER_URL": self.server.url("/install.sh"),
        }
        script = scripts.compose([SCRIPTS / f"{part}.sh" for part in PARTS], variables)
        *functions, main = script.rstrip().splitlines()
        assert main == 'main "$@" </dev/null'
        return subprocess.run(
            ["sh", "-s"],
            input="\n".join([*functions, "fetch_release </dev/null\n"]),
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.store)},
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self) -> set[str]:
        return {path.name for path in self.store.iterdir() if not path.name.startswith(".")}


FILES = {"k3s", "k3s-airgap-images-amd64.tar.zst", "sha256sum-amd64.txt", "install.sh"}


@pytest.fixture
def node(tmp_path: Path, server: ReleaseServer) -> Node:
    return Node(tmp_path, server)


def test_a_good_release_is_fetched_and_not_fetched_again(node: Node) -> None:
    first = node.fetch()
    node.server.asked.clear()
    second = node.fetch()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert node.files() == FILES
    assert node.server.asked == []


@pytest.mark.parametrize("name", ["k3s", "k3s-airgap-images-amd64.tar.zst", "install.sh"])
def test_a_file_with_another_checksum_is_removed_and_named(node: Node, name: str) -> None:
    path = "/install.sh" if name == "install.sh" else f"{node.folder}/{name}"
    node.server.files[path] += b"changed"

    done = node.fetch()

    assert done.returncode == 1
    assert f"node: prepare: {name} has SHA-256" in done.stderr
    assert node.files() == FILES - {name}


def test_a_file_that_is_cut_off_is_not_taken(node: Node) -> None:
    node.server.cut_off.add(f"{node.folder}/k3s")

    done = node.fetch()

    assert done.returncode == 1
    assert f"{node.base}/k3s — cannot be fetched" in done.stderr
    assert "k3s" not in node.files()


def test_a_file_that_the_server_lacks_is_named(node: Node) -> None:
    del node.server.files[f"{node.folder}/k3s"]

    done = node.fetch()

    assert done.returncode == 1
    assert "404" in done.stderr
    assert f"{node.base}/k3s — cannot be fetched" in done.stderr


def test_no_server_is_told_as_such(node: Node, nobody: str) -> None:
    node.base = f"{nobody}/v1"

    done = node.fetch()

    assert done.returncode == 1
    assert f"{nobody}/v1/sha256sum-amd64.txt — cannot be fetched" in done.stderr
