"""What only root can install: for nodes on this machine, Podman and the maker of their image."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.messages import ToolError, say

# What must be there, a program or a file, and the packages of Debian and Ubuntu that bring it.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "podman": ("podman", "netavark", "iptables"),
    "runc": ("runc",),  # hosts with cgroup v1 or hybrid: crun does not start systemd there
    "mmdebstrap": ("mmdebstrap",),
    "/usr/share/keyrings/debian-archive-keyring.gpg": ("debian-archive-keyring",),
}
_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
_PLACES = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


def missing() -> list[str]:
    """Packages of what is not there."""
    return [
        package for what, packages in NEEDED.items() if not _there(what) for package in packages
    ]


def ensure() -> None:
    """Installs what is missing when run as root where there is apt-get. Raises ToolError else."""
    wanted = missing()
    if not wanted:
        return
    line = f"apt-get install -y {' '.join(wanted)}"
    if shutil.which("apt-get") is None:
        raise ToolError(
            f"{', '.join(wanted)} missing",
            "nodes on this machine need them, and there is no apt-get here",
            "install them with this system's package manager",
        )
    if os.geteuid() != 0:
        raise ToolError(
            f"{', '.join(wanted)} missing",
            "nodes on this machine need them, and only root can install them",
            f"run: sudo {line}",
        )
    say(f"setup: installing {', '.join(wanted)} (apt)")
    if _apt("install", "-y", *wanted) is None:
        return
    # The package list may be old, or not there at all.
    if said := _apt("update") or _apt("install", "-y", *wanted):
        say(said)
        raise ToolError(
            ", ".join(wanted), "apt-get could not install them, see above", f"run: {line}"
        )


def _there(what: str) -> bool:
    if what.startswith("/"):
        return Path(what).exists()
    places = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{_PLACES}"
    return shutil.which(what, path=places) is not None


def _apt(*words: str) -> str | None:
    """None when apt-get did it, else what it said."""
    argv: Sequence[str] = (*_APT, *words)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return None if done.returncode == 0 else done.stdout or f"exit code {done.returncode}"
