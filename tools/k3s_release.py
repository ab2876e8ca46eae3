"""Which k3s a stack on this machine gets: the official release, or the lab's build.

Both end as a release folder in the cache, which the stack uploads to its nodes: one download for
all nodes, and none at the next `make up`.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.k3s import artifacts
from tools import downloads, processes, releases
from tools.https import unreachable
from tools.messages import ToolError, say
from tools.paths import Cache
from tools.releases import Asset
from tools.stackfile import StackFile


@dataclass(frozen=True)
class Choice:
    """`source` is release, lab, or own for artifacts that the stack names itself."""

    source: str
    why: str


def choose(stack: StackFile, cache: Cache, made_with: str | None) -> Choice:
    """K3S= decides, else what made the stack, else whether the release can be had."""
    forced = os.environ.get("K3S")
    if forced not in (None, "", "release", "lab"):
        raise ToolError(f"K3S={forced}", "there is no such k3s", "write K3S=release or K3S=lab")
    if forced == "lab" and not stack.is_local:
        raise ToolError(
            f"K3S=lab for a stack on {stack.platform}",
            "the lab's k3s is for nodes on this machine",
            "leave K3S= out",
        )
    asked = _asked_source(stack)
    if forced:
        return Choice(forced, f"K3S={forced}")
    if not stack.is_local or asked != "release":
        return Choice("own", f"as {stack.path.name} says, from: {asked}")
    if made_with in ("release", "lab"):
        return Choice(made_with, "what the stack was made with")
    return _by_reach(version(stack), cache)


def overrides(choice: Choice, stack: StackFile, cache: Cache) -> dict[str, Any]:
    """Brings the chosen k3s into the cache; gives the settings that point the stack at it."""
    if choice.source == "own":
        return {}
    if choice.source == "lab":
        folder = processes.build_folder("lab.k3s.build", "the lab's k3s", *_lab_version(stack))
        return _from_folder(folder, folder.name)
    return _from_folder(fetch(version(stack), cache), version(stack))


def version(stack: StackFile) -> str:
    """The release that the stack asks for. Raises ToolError when it names none."""
    value = stack.k3s.get("version")
    if not isinstance(value, str):
        raise ToolError(
            f"{stack.path.name} without k3s:k3s.version",
            "a cluster has one known version",
            "write version: v1.35.6+k3s1 under k3s:k3s",
        )
    return value


def assets(wanted: str, arch: str) -> list[Asset]:
    """The release's files that its checksums name, in the layout of k3s's release page."""
    files = artifacts.ReleaseFiles(arch=arch)
    sums = f"{quote(wanted)}/{files.checksums}"
    names = (files.binary, files.images)
    return [Asset(releases.K3S, f"{quote(wanted)}/{name}", sums) for name in names]


def fetch(wanted: str, cache: Cache) -> Path:
    """The release's folder in the cache, downloaded and checked if it is not there yet."""
    arch = releases.architecture()
    folder = cache.k3s / wanted
    if is_whole(folder, arch):
        return folder
    cache.k3s.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.k3s, prefix=".release-") as name:
        unfinished = Path(name) / "release"
        for asset in assets(wanted, arch):
            say(f"setup: k3s {wanted}, {asset.url}")
            asset.fetch(unfinished)
        checksums = artifacts.ReleaseFiles(arch=arch).checksums
        sums_url = assets(wanted, arch)[0].sums_url
        (unfinished / checksums).write_text(downloads.text(sums_url))
        fetch_installer(unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.replace(folder)
    return folder


def is_whole(folder: Path, arch: str) -> bool:
    """Whether the folder holds a whole release with the pinned installer."""
    try:
        artifacts.check_folder(folder, arch)
    except artifacts.FolderError:
        return False
    return True


def fetch_installer(folder: Path) -> None:
    """k3s's installer at the commit and digest that the program pins."""
    pinned = artifacts.from_release("").installer
    url = pinned.replace(releases.K3S_INSTALLER.official, releases.K3S_INSTALLER.base)
    downloads.download(url, folder / artifacts.INSTALLER, artifacts.installer_sha256(None, ""))


def _by_reach(wanted: str, cache: Cache) -> Choice:
    if is_whole(cache.k3s / wanted, releases.architecture()):
        return Choice("release", "in the cache folder")
    sums = assets(wanted, releases.architecture())[0].sums_url
    reason = unreachable(sums)
    if reason is None:
        return Choice("release", "its release page can be reached")
    return Choice("lab", f"{wanted}: {reason}")


def _lab_version(stack: StackFile) -> list[str]:
    """A stack file may ask for one of the lab's versions, to try an upgrade with.

    Any other version is the release's that the lab's stands in for.
    """
    wanted = str(stack.k3s.get("version"))
    return ["--as", wanted] if wanted.endswith("+lab") else []


def _asked_source(stack: StackFile) -> str:
    asked = stack.k3s.get("artifacts")
    return str(asked.get("from", "release")) if isinstance(asked, Mapping) else "release"


def _from_folder(folder: Path, wanted: str) -> dict[str, Any]:
    from_folder = {"from": "folder", "folder": str(folder)}
    return {"k3s:k3s": {"version": wanted, "artifacts": from_folder}}
