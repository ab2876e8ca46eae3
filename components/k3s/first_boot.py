"""What a fresh machine does by itself while it boots: fetch the release's files.

`prepare` finds them there, or waits for the end of the fetch, or fetches what is missing.
"""

from collections.abc import Mapping
from pathlib import Path

from components import scripts as shell
from components.k3s.release import folder, release
from components.k3s.settings import K3sSettings

_SCRIPTS = Path(__file__).parent / "scripts"
_PARTS = ("lib", "release", "first_boot")
_ARCHITECTURES = ("amd64", "arm64")


def scripts(settings: K3sSettings) -> Mapping[str, str]:
    """A script for each architecture, to be run as root; none where the files are uploaded."""
    if folder(settings):
        return {}
    return {arch: _script(settings, arch) for arch in _ARCHITECTURES}


def _script(settings: K3sSettings, arch: str) -> str:
    chosen = release(settings, arch)
    return "#!/bin/sh\n" + shell.compose(
        [_SCRIPTS / f"{part}.sh" for part in _PARTS],
        {**chosen.variables(), **chosen.download_variables()},
    )
