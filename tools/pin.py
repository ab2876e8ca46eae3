"""`make pin`: records the digests that releases publish today, to be read and committed."""

import json
from collections.abc import Iterator

from tools import k3s_release, pulumi_cli, releases, stackfile
from tools.messages import say
from tools.releases import Asset

_ARCHITECTURES = ("amd64", "arm64")


def run() -> None:
    """Writes releases.lock.json: this Pulumi and every k3s of a stack file, for all machines.

    From the official addresses alone: a mirror is what the digests guard against. Raises
    DownloadError, and changes nothing, when one cannot be had.
    """
    content = {"pulumi": pulumi_cli.pinned_version(), "sha256": {}}
    content["sha256"] = {asset.official: asset.published(official=True) for asset in assets()}
    releases.LOCK_FILE.write_text(json.dumps(content, indent=2) + "\n")
    say(f"{releases.LOCK_FILE.name}: {len(content['sha256'])} digests recorded")


def assets() -> Iterator[Asset]:
    """What `make` may download."""
    for arch in _ARCHITECTURES:
        for system in ("linux", "darwin"):
            yield pulumi_cli.asset_for(system, arch)
        for version in sorted(_k3s_versions()):
            yield from k3s_release.assets(version, arch)


def _k3s_versions() -> set[str]:
    return {k3s_release.version(stackfile.load(name)) for name in stackfile.names()}
