"""What a fresh machine does by itself while it boots: fetch the release's files."""

from collections.abc import Mapping

from components.k3s.settings import K3sSettings


def scripts(settings: K3sSettings) -> Mapping[str, str]:
    """A script for each architecture, to be run as root; none where the files are uploaded."""
    return {}
