"""SHA-256 of assets and archives, so that a changed file behind the same path is a change.

Source of the rules: ``sdk/go/common/resource/asset`` and ``.../archive``. A folder is hashed
as the tar that Go's writer makes of it, files in walk order.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.engine.errors import EngineError, refuse
from lab.engine.tar_headers import BLOCK, header, padding
from lab.engine.values import ARCHIVE, ASSET, Value, signature, walk

_ARCHIVE_ENDINGS = (".tar", ".tgz", ".tar.gz", ".zip", ".jar")
_BLOCK = 1 << 20
_BOOKKEEPING = ".pulumi"


def with_hashes(value: Value, folder: Path) -> Value:
    """A copy of ``value`` in which every asset and archive has its ``hash``.

    ``folder``: where relative paths start (the program's own).
    """

    def hashed(v: Value) -> Value:
        if signature(v) == ASSET and not v.get("hash"):
            return {**v, "hash": _sha256(lambda sink: _copy_asset(v, folder, sink))}
        if signature(v) == ARCHIVE and not v.get("hash"):
            return {**v, "hash": _archive_hash(v, folder)}
        return v

    return walk(value, hashed)


def _sha256(feed: Callable[[Callable[[bytes], Any]], None]) -> str:
    digest = hashlib.sha256()
    feed(digest.update)
    return digest.hexdigest()


def _copy_asset(asset: dict[str, Any], folder: Path, sink: Callable[[bytes], Any]) -> None:
    if asset.get("path"):
        _copy_file(folder / asset["path"], sink)
    elif asset.get("uri"):
        raise refuse(f"a RemoteAsset ({asset['uri']})", "download it and use a FileAsset")
    else:
        sink(asset.get("text", "").encode())


def _copy_file(file: Path, sink: Callable[[bytes], Any]) -> None:
    try:
        with file.open("rb") as source:
            while block := source.read(_BLOCK):
                sink(block)
    except OSError as error:
        raise EngineError(
            f"asset {file} — it cannot be read ({error.strerror}) — give an existing file"
        ) from error


def _archive_hash(archive: dict[str, Any], folder: Path) -> str:
    path = archive.get("path", "")
    if path.endswith(_ARCHIVE_ENDINGS):
        return _sha256(lambda sink: _copy_file(folder / path, sink))
    return _sha256(lambda sink: _write_tar(_members(archive, folder), sink))


def _members(archive: dict[str, Any], folder: Path) -> Iterator[tuple[str, Path | bytes]]:
    """Names and contents of an archive, in the order in which it is hashed."""
    if archive.get("uri"):
        raise refuse(f"a RemoteArchive ({archive['uri']})", "download it and use a FileArchive")
    if archive.get("path"):
        yield from _folder_members(folder / archive["path"])
        return
    for name, member in sorted((archive.get("assets") or {}).items()):
        if signature(member) == ASSET:
            yield name, folder / member["path"] if member.get("path") else _text_of(member)
        elif member.get("path", "").endswith(_ARCHIVE_ENDINGS):
            raise refuse(f"an archive file within an archive ({member['path']})", "unpack it")
        else:
            for inner, content in _members(member, folder):
                yield f"{name}/{inner}", content


def _text_of(asset: dict[str, Any]) -> bytes:
    if asset.get("uri"):
        raise refuse(f"a RemoteAsset ({asset['uri']})", "download it and use a FileAsset")
    return str(asset.get("text", "")).encode()


def _folder_members(folder: Path) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        raise EngineError(
            f"archive {folder} — it is neither a folder nor a file that ends in "
            f"{', '.join(_ARCHIVE_ENDINGS)} — give one of these"
        )
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        path = Path(entry.path)
        if entry.name == _BOOKKEEPING:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from ((f"{entry.name}/{name}", file) for name, file in _folder_members(path))
        elif not path.is_dir():
            yield entry.name, path


def _write_tar(members: Iterator[tuple[str, Path | bytes]], sink: Callable[[bytes], Any]) -> None:
    seen: set[str] = set()
    for name, content in members:
        if name in seen:
            continue
        seen.add(name)
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        sink(header(name, size))
        if isinstance(content, bytes):
            sink(content)
        else:
            _copy_file(content, sink)
        sink(padding(size))
    sink(b"\0" * 2 * BLOCK)
