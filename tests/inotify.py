"""Room for the nodes of several tests, and of a stack that stands beside them, to watch files."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.inotify import LIMIT

# Some ten clusters of three servers and two agents.
ENOUGH = 1024


@contextmanager
def raised(limit_file: Path = LIMIT) -> Iterator[None]:
    """The host's bound of inotify instances is `ENOUGH` or more; it is put back afterwards.

    Where it cannot be written it stays, with a warning that says so.
    """
    before = limit_file.read_text(encoding="ascii")
    changed = int(before) < ENOUGH and _raise(limit_file, before)
    try:
        yield
    finally:
        if changed:
            limit_file.write_text(before, encoding="ascii")


def _raise(limit_file: Path, before: str) -> bool:
    try:
        limit_file.write_text(f"{ENOUGH}\n", encoding="ascii")
    except OSError as error:
        warnings.warn(
            f"fs.inotify.max_user_instances stays {int(before)} ({error}): where a stack stands "
            f"beside the tests' nodes, k3s may not start on the last of them",
            stacklevel=2,
        )
        return False
    return True
