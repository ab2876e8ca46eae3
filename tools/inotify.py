"""Whether this machine lets its containers watch as many files as a stack's nodes do.

The bound is one for all containers of a user together, and small where nobody has raised it; k3s
does not start where it is reached.
Source: https://man7.org/linux/man-pages/man7/inotify.7.html, `/proc/sys/fs/inotify`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.messages import say
from tools.stackfile import StackFile

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
# Counted on nodes that run nothing but k3s's own pods; systemd, containerd and dbus have theirs.
_BY_ROLE = {"server": 24, "agent": 13}
_REGISTRATION = 6


def warn(stack: StackFile, limit_file: Path = LIMIT) -> None:
    """Says so when the nodes may need more than there are."""
    limit, need = int(limit_file.read_text(encoding="ascii")), needed(stack.groups)
    if need > limit:
        say(
            f"fs.inotify.max_user_instances is {limit} here, and the nodes of {stack.name} need "
            f"some {need}: k3s may not start on the last of them — as root: sysctl -w "
            f"fs.inotify.max_user_instances={_doubled(limit, need)}"
        )


def needed(groups: Mapping[str, Mapping[str, Any]]) -> int:
    """What the nodes of these groups take together, as far as the groups can be read."""
    return _REGISTRATION + sum(
        _BY_ROLE.get(str(group.get("role")), 0) * _count(group) for group in groups.values()
    )


def _count(group: Mapping[str, Any]) -> int:
    nodes = group.get("nodes")
    if isinstance(nodes, list | tuple):
        return len(nodes)
    count = group.get("count")
    return count if isinstance(count, int) else 0


def _doubled(limit: int, need: int) -> int:
    while limit < 2 * need:
        limit *= 2
    return limit
