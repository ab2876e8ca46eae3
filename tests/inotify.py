"""Room for the nodes of several tests, and of a stack that stands beside them, to watch files."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Three clusters of three servers and two agents, and some.
ENOUGH = 1024
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


@contextmanager
def raised(limit_file: Path = _LIMIT) -> Iterator[None]:
    """The host's bound of inotify instances is `ENOUGH` or more; it is put back afterwards.

    Where it cannot be written it stays, with a warning that says so.
    Source: https://man7.org/linux/man-pages/man7/inotify.7.html, `/proc/sys/fs/inotify`.
    """
    before = limit_file.read_text(encoding="ascii")
    if int(before) >= ENOUGH:
        yield
        return
    try:
        limit_file.write_text(f"{ENOUGH}\n", encoding="ascii")
    except OSError as error:
        warnings.warn(
            f"fs.inotify.max_user_instances stays {int(before)} ({error}): where a stack stands "
            f"beside the tests' nodes, k3s may not start on the last of them",
            stacklevel=2,
        )
        yield
        return
    try:
        yield
    finally:
        limit_file.write_text(before, encoding="ascii")
