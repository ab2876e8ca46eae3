"""Whether Podman makes nodes here: it must be there, and have the rights of root."""

import os
import shutil
import subprocess

from tools.messages import ToolError

_SECONDS = 60


def as_root(*command: str) -> list[str]:
    """The command as it must be run to be root: unchanged for root, else through `sudo -n`."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]


def check() -> None:
    """Asks Podman itself. Raises ToolError with its words.

    Without rights over the machine it does not fail, root as it may be: it begins a rootless
    life of its own, with no image, no network and no node of anybody's.
    """
    through_sudo = os.geteuid() != 0
    if through_sudo and shutil.which("sudo") is None:
        raise _refused("this is not root, and there is no sudo", "run it as root")
    ask = as_root("podman", "info", "--format", "{{.Host.Security.Rootless}}")
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused(str(error), "see what `podman info` says") from None
    if told.returncode == 0 and told.stdout.strip() == "false":
        return
    words = told.stderr.strip().splitlines()
    said = f": {words[-1]}" if words else ""
    if through_sudo:
        raise _refused(
            f"sudo does not let it run without a password{said}",
            "run `sudo -v`, then the same command again; or allow it (sudoers, NOPASSWD)",
        )
    raise _refused(
        f"it does not work with root's rights here{said}",
        "run this as root of the machine itself, or in a container that is privileged",
    )


def _refused(why: str, write: str) -> ToolError:
    return ToolError("podman", f"nodes on this machine need it as root, and {why}", write)
