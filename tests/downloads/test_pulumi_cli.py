"""The official Pulumi CLI, from a server that lays it out as get.pulumi.com does."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.downloads.release_server import ReleaseServer, cli_archive, sums_file
from tools import pulumi_cli, releases
from tools.https import DownloadError
from tools.messages import ToolError

VERSION = pulumi_cli.pinned_version()


def test_a_good_cli_is_unpacked_and_runs(server: ReleaseServer, tmp_path: Path) -> None:
    server.put_cli(VERSION)

    cli = pulumi_cli.download(tmp_path / "cli")

    assert subprocess.check_output([cli, "version"], text=True) == f"v{VERSION}\n"
    assert pulumi_cli.downloaded(tmp_path / "cli") == cli
    assert [path.name for path in (tmp_path / "cli").iterdir()] == [f"pulumi-v{VERSION}"]


def test_a_cli_with_another_checksum_is_not_kept(server: ReleaseServer, tmp_path: Path) -> None:
    path = server.put_cli(VERSION)
    server.files[path] = cli_archive({"pulumi/pulumi": "#!/bin/sh\necho changed\n"})

    with pytest.raises(DownloadError, match=r"its checksum must be .* do not use it"):
        pulumi_cli.download(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_cli_that_is_cut_off_is_not_kept(server: ReleaseServer, tmp_path: Path) -> None:
    path = server.put_cli(VERSION)
    server.cut_off.add(path)
    size = len(server.files[path])

    with pytest.raises(DownloadError, match=f"cut off after {size // 2} of {size} bytes"):
        pulumi_cli.download(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["-linux-x64.tar.gz", "-checksums.txt"])
def test_a_file_that_the_server_lacks_is_named(
    server: ReleaseServer, tmp_path: Path, missing: str
) -> None:
    server.put_cli(VERSION)
    (path,) = [path for path in server.files if path.endswith(missing)]
    del server.files[path]

    with pytest.raises(DownloadError, match=rf"{path} — its server answers 404"):
        pulumi_cli.download(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_no_server_is_told_as_such(nobody: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached") as error:
        pulumi_cli.download(tmp_path)

    assert error.value.unreachable
    assert pulumi_cli.cannot_download() == error.value.why
    assert nobody in str(error.value)


def test_checksums_that_are_a_login_page_are_refused(server: ReleaseServer, tmp_path: Path) -> None:
    server.put_cli(VERSION)
    server.files[f"/releases/sdk/pulumi-{VERSION}-checksums.txt"] = b"<html>Log in</html>"

    with pytest.raises(DownloadError, match="not a list of SHA-256 checksums"):
        pulumi_cli.download(tmp_path)


def test_an_archive_that_the_checksums_do_not_name_is_not_fetched(
    server: ReleaseServer, tmp_path: Path
) -> None:
    path = server.put_cli(VERSION)
    server.files[f"/releases/sdk/pulumi-{VERSION}-checksums.txt"] = sums_file({"other": b"x"})

    with pytest.raises(DownloadError, match="do not name it"):
        pulumi_cli.download(tmp_path)

    assert path not in server.asked


def test_a_release_that_differs_from_the_pinned_digest_is_refused(
    server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.put_cli(VERSION)
    pins = tmp_path / "lock.json"
    digest = "0" * 64
    official = f"https://get.pulumi.com{path}"
    pins.write_text(json.dumps({"pulumi": VERSION, "sha256": {official: digest}}))
    monkeypatch.setattr(releases, "LOCK_FILE", pins)

    with pytest.raises(DownloadError, match=f"lock.json pins {digest}"):
        pulumi_cli.download(tmp_path / "cli")

    assert path not in server.asked


def test_an_archive_without_the_cli_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "pulumi.tar.gz"
    archive.write_bytes(cli_archive({"other/pulumi": "#!/bin/sh\n"}))

    with pytest.raises(ToolError, match="it holds no pulumi/pulumi"):
        pulumi_cli.unpack(archive, tmp_path / "unpacked")


@pytest.mark.parametrize("name", ["pulumi/../../evil", "/evil", "pulumi/../evil"])
def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "pulumi.tar.gz"
    archive.write_bytes(cli_archive({name: "evil", "pulumi/pulumi": "#!/bin/sh\n"}))

    pulumi_cli.unpack(archive, tmp_path / "deep" / "unpacked")

    assert not list(tmp_path.rglob("evil"))


@pytest.mark.network
def test_the_real_address_has_the_pinned_cli() -> None:
    assert len(pulumi_cli.asset().digest()) == 64
