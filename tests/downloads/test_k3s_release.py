"""k3s's release and its installer, from a server that lays them out as GitHub does."""

from pathlib import Path

import pytest

from components.k3s import artifacts
from tests.downloads.release_server import ReleaseServer
from tools import k3s_release, stackfile
from tools.https import DownloadError
from tools.paths import Cache

VERSION = "v1.34.4+k3s1"
FILES = ["install.sh", "k3s", "k3s-airgap-images-amd64.tar.zst", "sha256sum-amd64.txt"]


def test_a_good_release_becomes_a_whole_folder(
    server: ReleaseServer, installer: str, tmp_path: Path
) -> None:
    server.put_k3s(VERSION)

    folder = k3s_release.fetch(VERSION, Cache(tmp_path))

    assert folder == tmp_path / "k3s" / VERSION
    assert sorted(path.name for path in folder.iterdir()) == FILES
    artifacts.check_folder(folder, "amd64")
    assert (folder / "install.sh").read_bytes() == server.files[installer]


@pytest.mark.usefixtures("installer")
def test_a_release_that_is_there_is_not_asked_for_again(
    server: ReleaseServer, tmp_path: Path
) -> None:
    server.put_k3s(VERSION)
    k3s_release.fetch(VERSION, Cache(tmp_path))
    server.asked.clear()

    k3s_release.fetch(VERSION, Cache(tmp_path))

    assert server.asked == []


@pytest.mark.usefixtures("installer")
@pytest.mark.parametrize("name", ["k3s", "k3s-airgap-images-amd64.tar.zst"])
def test_a_file_with_another_checksum_leaves_no_folder(
    server: ReleaseServer, tmp_path: Path, name: str
) -> None:
    folder = server.put_k3s(VERSION)
    server.files[f"{folder}/{name}"] += b"changed"

    with pytest.raises(DownloadError, match=rf"{name} with SHA-256 .* its checksum must be"):
        k3s_release.fetch(VERSION, Cache(tmp_path))

    assert list((tmp_path / "k3s").iterdir()) == []


def test_an_installer_with_another_checksum_leaves_no_folder(
    server: ReleaseServer, installer: str, tmp_path: Path
) -> None:
    server.put_k3s(VERSION)
    server.files[installer] = b"#!/bin/sh\necho changed\n"

    with pytest.raises(DownloadError, match=r"install\.sh with SHA-256 .* its checksum must be"):
        k3s_release.fetch(VERSION, Cache(tmp_path))

    assert list((tmp_path / "k3s").iterdir()) == []


@pytest.mark.parametrize("name", ["k3s", "k3s-airgap-images-amd64.tar.zst", "install.sh"])
def test_a_file_that_is_cut_off_leaves_no_folder(
    server: ReleaseServer, installer: str, tmp_path: Path, name: str
) -> None:
    folder = server.put_k3s(VERSION)
    server.cut_off.add(installer if name == "install.sh" else f"{folder}/{name}")

    with pytest.raises(DownloadError, match=rf"{name} — it was cut off after \d+ of \d+ bytes"):
        k3s_release.fetch(VERSION, Cache(tmp_path))

    assert list((tmp_path / "k3s").iterdir()) == []


@pytest.mark.parametrize("name", [*FILES[1:], "install.sh"])
def test_a_file_that_the_server_lacks_is_named(
    server: ReleaseServer, installer: str, tmp_path: Path, name: str
) -> None:
    folder = server.put_k3s(VERSION)
    del server.files[installer if name == "install.sh" else f"{folder}/{name}"]

    with pytest.raises(DownloadError, match=rf"{name} — its server answers 404"):
        k3s_release.fetch(VERSION, Cache(tmp_path))

    assert list((tmp_path / "k3s").iterdir()) == []


@pytest.mark.usefixtures("nobody")
def test_no_server_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached") as error:
        k3s_release.fetch(VERSION, Cache(tmp_path))

    assert error.value.unreachable


@pytest.mark.usefixtures("installer")
def test_a_folder_that_lacks_a_file_is_made_anew(server: ReleaseServer, tmp_path: Path) -> None:
    server.put_k3s(VERSION)
    folder = k3s_release.fetch(VERSION, Cache(tmp_path))
    (folder / "k3s").unlink()

    k3s_release.fetch(VERSION, Cache(tmp_path))

    artifacts.check_folder(folder, "amd64")


@pytest.mark.network
def test_the_real_address_has_the_release_of_the_dev_stack() -> None:
    wanted = k3s_release.version(stackfile.load("dev"))

    assert {asset.name for asset in k3s_release.assets(wanted, "amd64") if asset.digest()} == {
        "k3s",
        "k3s-airgap-images-amd64.tar.zst",
    }


@pytest.mark.network
def test_the_real_address_has_the_pinned_installer(tmp_path: Path) -> None:
    k3s_release.fetch_installer(tmp_path)

    assert (tmp_path / "install.sh").read_text().startswith("#!/bin/sh")
