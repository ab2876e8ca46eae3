"""Official releases: their addresses, and the digests that this repository pins.

A file is checked against the checksums that its release publishes. Where `releases.lock.json` has
a digest for its official address (`make pin` records them), the release must agree with it, and
so must every mirror.
"""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import downloads
from tools.https import DownloadError
from tools.messages import ToolError

LOCK_FILE = Path(__file__).with_name("releases.lock.json")


@dataclass(frozen=True)
class Source:
    """Where releases lie: the official address, and the variable that names a mirror of it."""

    official: str
    variable: str

    @property
    def base(self) -> str:
        """The address to download from, without a slash at its end."""
        return (os.environ.get(self.variable) or self.official).rstrip("/")


PULUMI = Source("https://get.pulumi.com/releases/sdk", "PULUMI_RELEASES_URL")
K3S = Source("https://github.com/k3s-io/k3s/releases/download", "K3S_RELEASES_URL")
K3S_INSTALLER = Source("https://raw.githubusercontent.com/k3s-io/k3s", "K3S_INSTALLER_URL")


@dataclass(frozen=True)
class Asset:
    """One file of a release, and the file of checksums that names it (paths under the source)."""

    source: Source
    path: str
    sums_path: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]

    @property
    def official(self) -> str:
        """Its official address: the key in the lock file."""
        return f"{self.source.official}/{self.path}"

    @property
    def url(self) -> str:
        """Where to download it from."""
        return f"{self.source.base}/{self.path}"

    @property
    def sums_url(self) -> str:
        """Where its checksums lie."""
        return f"{self.source.base}/{self.sums_path}"

    def digest(self) -> str:
        """Its SHA-256 as the release says it, and as the lock file does where it knows it."""
        published = self.published()
        pinned = lock()["sha256"].get(self.official, published)
        if published != pinned:
            raise DownloadError(
                f"{self.sums_url} with SHA-256 {published} for {self.name}",
                f"{LOCK_FILE.name} pins {pinned}",
                "do not use it; if the release was truly made anew, run `make pin` and look at "
                "what changed",
            )
        return published

    def published(self, *, official: bool = False) -> str:
        """Its SHA-256 as the release says it, at the mirror or at the official address."""
        url = f"{self.source.official}/{self.sums_path}" if official else self.sums_url
        return downloads.expected(downloads.checksums(url), self.name, url)

    def fetch(self, folder: Path) -> Path:
        """Downloads it into `folder`, checked. Raises DownloadError."""
        target = folder / self.name
        downloads.download(self.url, target, self.digest())
        return target


def lock() -> dict[str, Any]:
    """The lock file: Pulumi's version and the digests by official address."""
    content: dict[str, Any] = json.loads(LOCK_FILE.read_text())
    return content


def architecture() -> str:
    """This machine's architecture as k3s and Go name it."""
    names = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    if machine not in names:
        raise ToolError(machine, "no release is made for it", "use an amd64 or arm64 machine")
    return names[machine]
