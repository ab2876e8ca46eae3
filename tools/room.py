"""Whether there is room for what is written on this machine: the state is not to be cut off."""

import shutil
from pathlib import Path

from tools.messages import ToolError

# A stack's state is some megabytes, written anew beside the old one.
_LEAST_MIB = 64


def check(*folders: Path) -> None:
    """Raises ToolError for a folder, there or to be made, on a file system that is full."""
    for folder in folders:
        place = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(place).free // 2**20
        if free < _LEAST_MIB:
            raise ToolError(
                f"{folder}",
                f"{free} MiB are free there, and what is written of a stack needs {_LEAST_MIB} MiB",
                f"free some, see: df -h {place}",
            )
