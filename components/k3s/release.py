"""A release's files as one node has them: where they are, where from, and what they must be."""

from dataclasses import dataclass
from pathlib import Path

from components.k3s import artifacts
from components.k3s.artifacts import Downloads, ReleaseFiles
from components.k3s.settings import K3sSettings

# Outside k3s's own folders, so that k3s's uninstaller leaves what was fetched.
STORE = "/var/lib/k3s-artifacts"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version for one architecture; `store` is its folder on the node.

    `downloads` is None where the files are uploaded.
    """

    store: str
    files: ReleaseFiles
    installer_sha256: str
    downloads: Downloads | None

    def variables(self) -> dict[str, str]:
        """What release.sh needs to check the files before they are used."""
        return {
            "STORE": self.store,
            "BINARY": self.files.binary,
            "IMAGES": self.files.images,
            "CHECKSUMS": self.files.checksums,
            "INSTALLER_SHA256": self.installer_sha256,
        }

    def download_variables(self) -> dict[str, str]:
        """What release.sh needs to fetch them; empty values where they are uploaded."""
        where = self.downloads or Downloads(base="", installer="")
        return {"BASE_URL": where.base, "INSTALLER_URL": where.installer}


def folder(settings: K3sSettings) -> Path | None:
    """The folder on the operator's machine that the files are uploaded from, if they are."""
    chosen = settings.artifacts.folder
    return Path(chosen).expanduser().resolve() if chosen else None


def release(settings: K3sSettings, arch: str) -> Release:
    """The release that the settings choose, for amd64 or arm64.

    Raises artifacts.FolderError where a folder's installer is not the one that it must be.
    """
    source = folder(settings)
    return Release(
        store=f"{STORE}/{settings.version}",
        files=ReleaseFiles(arch=arch),
        installer_sha256=artifacts.installer_sha256(source, arch),
        downloads=None if source else _downloads(settings),
    )


def _downloads(settings: K3sSettings) -> Downloads:
    if settings.artifacts.url:
        return artifacts.from_mirror(settings.artifacts.url, settings.version)
    return artifacts.from_release(settings.version)
