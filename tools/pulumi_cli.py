"""The official Pulumi CLI: the one on the PATH, or the pinned one in the cache folder."""

import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tools import releases
from tools.https import unreachable
from tools.messages import ToolError, say
from tools.paths import cache
from tools.releases import Asset

# Older ones do not know the file backend's projects or the flags that `make` uses.
OLDEST = (3, 200, 0)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def on_path() -> tuple[Path | None, str]:
    """The CLI on the PATH, or None; and why that is so."""
    found = shutil.which("pulumi")
    if found is None:
        return None, "the Pulumi CLI is not on the PATH"
    version = _version(found)
    if version is None:
        return None, f"{found} does not tell its version"
    shown = "v" + ".".join(map(str, version))
    if version < OLDEST:
        return None, f"{found} is {shown}, older than v{'.'.join(map(str, OLDEST))}"
    return Path(found), f"{shown} on the PATH"


def pinned_version() -> str:
    """The version that is downloaded, such as 3.272.0."""
    version: str = releases.lock()["pulumi"]
    return version


def asset() -> Asset:
    """The pinned CLI for this machine."""
    return asset_for(platform.system().lower(), releases.architecture())


def asset_for(system: str, arch: str) -> Asset:
    """The pinned CLI for linux or darwin, amd64 or arm64, in the layout of get.pulumi.com."""
    version = pinned_version()
    cpu = {"amd64": "x64", "arm64": "arm64"}[arch]
    return Asset(
        releases.PULUMI,
        f"pulumi-v{version}-{system}-{cpu}.tar.gz",
        f"pulumi-{version}-checksums.txt",
    )


def downloaded(folder: Path) -> Path | None:
    """The pinned CLI in `folder`, where an earlier command has put it."""
    executable = folder / f"pulumi-v{pinned_version()}" / "pulumi"
    return executable if executable.exists() else None


def cannot_download() -> str | None:
    """Why the pinned CLI cannot be downloaded, or None. Takes some seconds at most."""
    return unreachable(asset().sums_url)


def download(folder: Path) -> Path:
    """Downloads and unpacks the pinned CLI into `folder`; gives its executable."""
    wanted = asset()
    say(f"setup: the Pulumi CLI, {wanted.url}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pulumi-") as name:
        unpacked = Path(name) / "unpacked"
        unpack(wanted.fetch(Path(name)), unpacked)
        unpacked.chmod(0o755)
        final = folder / f"pulumi-v{pinned_version()}"
        shutil.rmtree(final, ignore_errors=True)
        unpacked.replace(final)
    return final / "pulumi"


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks the archive's `pulumi/<executable>` entries, and nothing else, into `folder`."""
    folder.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            parent, _, name = member.name.removeprefix("./").partition("/")
            content = tar.extractfile(member) if member.isfile() else None
            if parent != "pulumi" or name in ("", "..") or "/" in name or content is None:
                continue
            with (folder / name).open("wb") as file:
                shutil.copyfileobj(content, file)
            (folder / name).chmod(0o755)
    if not (folder / "pulumi").exists():
        raise ToolError(
            archive.name,
            "it holds no pulumi/pulumi",
            "check the mirror, or use ENGINE=lab",
        )


def _version(executable: str) -> tuple[int, int, int] | None:
    # With a home of the project's own: the CLI makes ~/.pulumi as soon as it runs.
    home = str(cache().pulumi_home)
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_HOME": home}
    try:
        shown = subprocess.run(
            [executable, "version"],
            capture_output=True,
            text=True,
            timeout=30,
            env=quiet,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.match(shown.stdout.strip())
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
