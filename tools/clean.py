"""`make clean`: removes what the project made in its folder, unless a stack still has resources.

Needs nothing but Python itself, as it removes the virtual environment.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import checkpoints

CLONE = Path(__file__).resolve().parent.parent
_MADE = (".venv", ".state", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")


def main() -> int:
    """Cleans this clone. Takes no arguments: an option that it does not know removes nothing."""
    argparse.ArgumentParser(prog="make clean", description=__doc__).parse_args()
    return clean(CLONE)


def clean(clone: Path) -> int:
    """0 when all is removed; 1, and nothing removed, when a stack still has resources."""
    busy = sorted(checkpoints.stacks_with_resources(clone / ".state" / "backend"))
    if busy:
        stacks = ", ".join(busy)
        print(
            f"make clean: stack {stacks} has resources — without its state nobody knows what to "
            f"remove — run `make destroy STACK={busy[0]}` first",
            file=sys.stderr,
        )
        return 1
    for path in [*(clone / name for name in _MADE), *bytecode(clone)]:
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    print(f"clean. The cache folder, which other clones share, stays: rm -rf {_cache()}")
    return 0


def bytecode(folder: Path) -> Iterator[Path]:
    """Python's own caches."""
    for parent, names, _ in os.walk(folder):
        names[:] = [name for name in names if name not in (*_MADE, ".git")]
        if "__pycache__" in names:
            names.remove("__pycache__")
            yield Path(parent, "__pycache__")


def _cache() -> str:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return os.environ.get("K3S_PULUMI_CACHE") or f"{home}/k3s-pulumi"


if __name__ == "__main__":
    sys.exit(main())
