"""Downloads over HTTPS, checked against a SHA-256, whole or not there."""

import hashlib
import http.client
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tools.https import DownloadError, open_url

WHOLE_SECONDS = 1800.0  # longest download
TEXT_LIMIT = 1024 * 1024  # bytes of a checksums file or an installer
_CHUNK = 256 * 1024
_CHECKSUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S+)")


def download(url: str, target: Path, sha256: str) -> None:
    """Brings `url` to `target`, which holds the whole of it with that digest or is left as it was.

    Raises DownloadError: no server, an HTTP error such as 404, a file cut off, another digest.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            found = _receive(url, file)
            file.flush()
            os.fsync(file.fileno())
        if found != sha256:
            raise DownloadError(
                f"{url} with SHA-256 {found}",
                f"its checksum must be {sha256}",
                "try again; if it stays so, the file was changed on its way or at its source: "
                "do not use it",
            )
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def text(url: str) -> str:
    """The text at `url`, at most 1 MiB. Raises DownloadError."""
    chunks: list[bytes] = []
    _transfer(url, chunks.append, limit=TEXT_LIMIT)
    return b"".join(chunks).decode("utf-8", errors="replace")


def checksums(url: str) -> dict[str, str]:
    """A checksums file as `sha256sum` writes it: file name to SHA-256. Raises DownloadError."""
    lines = text(url).splitlines()
    parsed = [_CHECKSUM_LINE.fullmatch(line.strip()) for line in lines if line.strip()]
    if not parsed or None in parsed:
        raise DownloadError(
            url,
            "it is not a list of SHA-256 checksums",
            "check the address; a proxy's or a login page may have answered in its place",
        )
    return {match[2]: match[1] for match in parsed if match}


def expected(sums: dict[str, str], name: str, source: str) -> str:
    """The digest of `name` in the checksums of `source`. Raises DownloadError without one."""
    if name not in sums:
        raise DownloadError(
            f"{name} from {source}",
            "the release's checksums do not name it, so it cannot be checked",
            "check the version and this machine's architecture",
        )
    return sums[name]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(url: str, file: IO[bytes]) -> str:
    digest = hashlib.sha256()

    def take(chunk: bytes) -> None:
        digest.update(chunk)
        file.write(chunk)

    _transfer(url, take, limit=None)
    return digest.hexdigest()


def _transfer(url: str, take: Callable[[bytes], object], limit: int | None) -> None:
    deadline = time.monotonic() + WHOLE_SECONDS
    received = 0
    with open_url(url) as response:
        announced = response.headers.get("Content-Length")
        while chunk := _read(response, url, received, announced):
            received += len(chunk)
            if limit is not None and received > limit:
                raise DownloadError(url, f"it is longer than {limit} bytes", "check the address")
            if time.monotonic() > deadline:
                raise _slow(url, received)
            take(chunk)
    if announced is not None and received != int(announced):
        raise _cut_off(url, received, announced)


def _read(
    response: http.client.HTTPResponse, url: str, received: int, announced: str | None
) -> bytes:
    try:
        return response.read(_CHUNK)
    except TimeoutError as error:
        raise _slow(url, received) from error
    except (http.client.IncompleteRead, ConnectionError) as error:
        raise _cut_off(url, received, announced) from error


def _cut_off(url: str, received: int, announced: str | None) -> DownloadError:
    return DownloadError(
        url,
        f"it was cut off after {received} of {announced or 'an unknown number of'} bytes",
        "run the command again",
    )


def _slow(url: str, received: int) -> DownloadError:
    return DownloadError(
        url,
        f"its server went silent or too slow after {received} bytes",
        "run the command again, or name a mirror",
    )
