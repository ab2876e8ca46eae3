"""How the commands speak: what was asked for on standard output, all else on standard error."""

import sys


class ToolError(Exception):
    """What a command could not do, as `what was given — why it cannot work — what to write`."""

    def __init__(self, given: str, why: str, write: str) -> None:
        super().__init__(f"{given} — {why} — {write}")


def say(line: str) -> None:
    """One line of progress, on standard error, at once."""
    print(line, file=sys.stderr, flush=True)
