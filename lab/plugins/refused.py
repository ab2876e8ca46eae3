"""The exceptions that a user is meant to read."""

from lab.engine.values import Properties


class RefusedError(Exception):
    """An operation cannot go on; the text is shown as it is, so it holds no secret."""


class PartlyDoneError(RefusedError):
    """What was to be made is there, but not in order; the engine keeps it and tries again.

    ``state`` is what goes into the state; ``reasons`` are what is not in order, one each.
    """

    def __init__(self, text: str, id_: str, state: Properties, reasons: list[str]) -> None:
        super().__init__(text)
        self.id, self.state, self.reasons = id_, state, reasons
        self.inputs: Properties | None = None
