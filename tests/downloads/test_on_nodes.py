"""What a node does when it fetches a release itself: `prepare`'s own functions, on this machine.

And what a machine runs while it boots, into the same store.
"""

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from components import scripts
from tests.downloads.release_server import ReleaseServer

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "components" / "k3s" / "scripts"
PARTS = ("lib", "cloud_init", "features", "metadata", "release", "prepare")
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

    def variables(self) -> Mapping[str, str]:
        return {
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

    def fetch(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-s"],
            input=self._prepare(),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def boot(self) -> "subprocess.CompletedProcess[str]":
        """What the machine does by itself."""
        return subprocess.run(
            ["sh"],
            input=scripts.compose(
                [SCRIPTS / f"{part}.sh" for part in ("lib", "release", "first_boot")],
                self.variables(),
            ),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def preparing(self) -> "Iterator[subprocess.Popen[str]]":
        """`fetch`, while it runs."""
        with subprocess.Popen(
            ["sh", "-s"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(),
            text=True,
        ) as process:
            assert process.stdin
            process.stdin.write(self._prepare())
            process.stdin.close()
            yield process

    def _prepare(self) -> str:
        script = scripts.compose([SCRIPTS / f"{part}.sh" for part in PARTS], self.variables())
        *functions, main = script.rstrip().splitlines()
        assert main == 'main "$@" </dev/null'
        return "\n".join([*functions, "fetch_release </dev/null\n"])

    def _environment(self) -> Mapping[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.store)}

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


def test_what_was_fetched_at_boot_is_not_fetched_again(node: Node) -> None:
    booted = node.boot()
    node.server.asked.clear()
    prepared = node.fetch()

    assert (booted.returncode, prepared.returncode) == (0, 0), booted.stderr + prepared.stderr
    assert node.files() == FILES
    assert node.server.asked == []
    assert "fetches" not in prepared.stderr


def test_prepare_waits_for_a_fetch_that_a_booting_machine_has_begun(node: Node) -> None:
    path = f"{node.folder}/k3s"
    node.server.held[path] = threading.Event()
    booting = threading.Thread(target=node.boot)
    booting.start()
    while path not in node.server.asked:  # bounded by the test's own timeout
        threading.Event().wait(0.01)

    with node.preparing() as prepare:
        assert prepare.stderr
        waiting = prepare.stderr.readline()
        node.server.held[path].set()
        said = prepare.stderr.read()
    booting.join()

    assert waiting == "node: prepare: waits for the fetch that runs already\n"
    assert (prepare.returncode, said) == (0, "")
    assert sorted(node.server.asked) == sorted(
        ["/install.sh", *(f"{node.folder}/{name}" for name in FILES - {"install.sh"})]
    )


def test_what_a_fetch_at_boot_left_undone_is_fetched_by_prepare(node: Node) -> None:
    images = f"{node.folder}/k3s-airgap-images-amd64.tar.zst"
    content = node.server.files.pop(images)
    booted = node.boot()
    node.server.files[images] = content
    node.server.asked.clear()
    prepared = node.fetch()

    assert booted.returncode == 1
    assert f"first boot: {node.base}/k3s-airgap-images-amd64.tar.zst — cannot be" in booted.stderr
    assert prepared.returncode == 0, prepared.stderr
    assert node.server.asked == [images, "/install.sh"]


def test_checksums_that_do_not_know_the_release_are_fetched_again(node: Node) -> None:
    path = f"{node.folder}/sha256sum-amd64.txt"
    right, node.server.files[path] = node.server.files[path], b"<html>log in first</html>\n"
    first = node.fetch()
    node.server.files[path] = right
    second = node.fetch()

    assert first.returncode == 1
    assert "sha256sum-amd64.txt has no line for k3s" in first.stderr
    assert second.returncode == 0, second.stderr
