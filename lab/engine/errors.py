"""What can go wrong, told apart by who has to act."""

from collections.abc import Iterable


class EngineError(Exception):
    """A mistake or failure that the user is told in one message, without a traceback."""


class UnhealthyError(EngineError):
    """The resource exists and is in the state, but did not become healthy (``initErrors``)."""


class CancelledError(Exception):
    """The run is being cancelled; whoever sees this stops without a message of its own."""


def refuse(what: str, instead: str) -> EngineError:
    """The error for a feature of Pulumi's that this engine does not have.

    ``what`` names the feature, ``instead`` what to write or use.
    """
    return EngineError(f"{what} — the lab engine does not implement it — {instead}")


USE_THE_CLI = "use the official Pulumi CLI (ENGINE=pulumi)"


def listed(reasons: Iterable[str]) -> str:
    """Several reasons in one message."""
    return "; ".join(reasons)
