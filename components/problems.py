"""Mistakes in settings, told together and in one form.

Every mistake is one line: `key: what was given — why it cannot work — what to write`.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: the dotted key, the value given, the reason, and what to write instead."""

    key: str
    given: object
    why: str
    write: str

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.given)} — {self.why} — {self.write}"


class SettingsError(ValueError):
    """Raised before anything is registered; its text holds every problem, one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 setting cannot work:" if count == 1 else f"{count} settings cannot work:"
        super().__init__("\n  ".join([head, *map(str, self.problems)]))


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
