"""The files of a k3s release, by the names that the release gives them, and where they are.

Layout and names: https://github.com/k3s-io/k3s/releases and
https://docs.k3s.io/installation/airgap.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

RELEASE_URL: Final = "https://github.com/k3s-io/k3s/releases/download"
INSTALLER: Final = "install.sh"
_LOCK: Final[Mapping[str, str]] = json.loads(
    (Path(__file__).parent / "installer.lock.json").read_text()
)


@dataclass(frozen=True, kw_only=True)
class ReleaseFiles:
    """Names of a release's files for one architecture, amd64 or arm64."""

    arch: str

    @property
    def binary(self) -> str:
        return "k3s" if self.arch == "amd64" else f"k3s-{self.arch}"

    @property
    def images(self) -> str:
        return f"k3s-airgap-images-{self.arch}.tar.zst"

    @property
    def checksums(self) -> str:
        return f"sha256sum-{self.arch}.txt"

    def all(self) -> tuple[str, ...]:
        return (self.binary, self.images, self.checksums, INSTALLER)


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Where a node fetches a release: a base address for its files and one for the installer."""

    base: str
    installer: str


def from_release(version: str) -> Downloads:
    """k3s's release page; the installer at the commit of the lock file."""
    return Downloads(base=f"{RELEASE_URL}/{quote(version)}", installer=_LOCK["url"])


def from_mirror(url: str, version: str) -> Downloads:
    """A mirror that has the release's layout, with the installer beside the files."""
    base = f"{url.rstrip('/')}/{quote(version)}"
    return Downloads(base=base, installer=f"{base}/{INSTALLER}")


class FolderError(ValueError):
    """A release folder that cannot be installed from; `write` says what would do."""

    def __init__(self, why: str, write: str) -> None:
        super().__init__(why)
        self.write = write


def check_folder(folder: Path, arch: str) -> None:
    """Raise FolderError unless the folder holds a whole release for the architecture."""
    if not folder.is_dir():
        raise FolderError("there is no such folder", "write the path of a folder with a release")
    missing = [name for name in ReleaseFiles(arch=arch).all() if not (folder / name).is_file()]
    if missing:
        raise FolderError(
            f"it lacks {', '.join(missing)}", "put all files of the release and its installer there"
        )
    installer_sha256(folder, arch)


def installer_sha256(folder: Path | None, arch: str) -> str:
    """SHA-256 that the installer must have: the pinned one, or what a folder of one's own lists.

    A folder may hold a build of one's own with an installer of its own: then its checksums file
    lists install.sh, which k3s's releases never do. Raises FolderError where neither matches.
    """
    pinned = _LOCK["sha256"]
    if folder is None:
        return pinned
    listed = _listed(folder / ReleaseFiles(arch=arch).checksums).get(INSTALLER)
    expected = listed or pinned
    found = hashlib.sha256((folder / INSTALLER).read_bytes()).hexdigest()
    if found != expected:
        raise FolderError(
            f"its install.sh has SHA-256 {found}, expected is {expected}",
            f"take install.sh from {_LOCK['url']}",
        )
    return expected


def _listed(checksums: Path) -> dict[str, str]:
    pairs = (line.split() for line in checksums.read_text().splitlines())
    return {pair[1].lstrip("*"): pair[0] for pair in pairs if len(pair) == 2}
