"""`make test`: what the tests need, then pytest, whose closing line comes last."""

import os
import sys
from collections.abc import Sequence

from tools import packages
from tools.paths import CLONE


def run(words: Sequence[str]) -> int:
    """Runs pytest in place of this process; it skips what needs root for other users."""
    if os.geteuid() == 0:
        packages.ensure()
    os.chdir(CLONE)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "--durations=15", *words])  # noqa: S606
