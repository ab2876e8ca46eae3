"""What every download keeps to, whatever it brings."""

import hashlib
from pathlib import Path

import pytest

from tests.downloads.release_server import ReleaseServer
from tools import downloads, https
from tools.https import DownloadError

DIGEST = hashlib.sha256(b"content").hexdigest()


def test_a_failed_download_leaves_the_earlier_file(server: ReleaseServer, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("earlier")
    server.files["/file"] = b"changed"

    with pytest.raises(DownloadError):
        downloads.download(server.url("/file"), target, DIGEST)

    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "url", ["http://mirror.test/file", "ftp://127.0.0.1/f", "file:///etc/hosts"]
)
def test_only_https_is_taken_from_other_machines(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="write https://"):
        downloads.download(url, tmp_path / "file", DIGEST)


def test_a_redirect_to_plain_http_is_refused(server: ReleaseServer, tmp_path: Path) -> None:
    server.redirects["/file"] = "http://mirror.test/file"

    with pytest.raises(DownloadError, match=r"http://mirror\.test/file .* write https://"):
        downloads.download(server.url("/file"), tmp_path / "file", DIGEST)


def test_a_redirect_on_the_same_terms_is_followed(server: ReleaseServer, tmp_path: Path) -> None:
    server.redirects["/file"] = server.url("/elsewhere")
    server.files["/elsewhere"] = b"content"

    downloads.download(server.url("/file"), tmp_path / "file", DIGEST)

    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_text_without_end_is_refused(server: ReleaseServer) -> None:
    server.files["/sums"] = b"x" * (downloads.TEXT_LIMIT + 1)

    with pytest.raises(DownloadError, match="longer than"):
        downloads.text(server.url("/sums"))


def test_a_silent_server_is_given_up(server: ReleaseServer) -> None:
    server.silent.add("/file")

    assert https.unreachable(server.url("/file"), seconds=0.3) is not None


def test_a_server_that_answers_404_is_not_reachable_for_a_release(server: ReleaseServer) -> None:
    assert https.unreachable(server.url("/none")) == "its server answers 404 Not Found"
