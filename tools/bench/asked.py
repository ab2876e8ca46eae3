"""What a user may ask of `make bench`."""

import argparse
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tools.bench.shapes import ADDONS, SHAPES
from tools.messages import ToolError

_USAGE = 'make bench ARGS="--runs 3 --shapes 1+2,3+0 --addons metallb,prometheus"'
_MOST_RUNS = 100
# Unless the user says otherwise: what is measured is then the same on every machine.
_DEFAULTS = {"K3S": "lab", "CHARTS": "lab"}


@dataclass(frozen=True)
class Asked:
    """`variables` are those of the environment that every `make` gets."""

    runs: int = 1
    shapes: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


class _Parser(argparse.ArgumentParser):
    """Mistakes as all commands tell them."""

    def error(self, message: str) -> None:  # type: ignore[override]  # it raises, as the other does
        raise ToolError(message, "make bench does not know it", f"write {_USAGE}")


def parse(words: Sequence[str]) -> Asked:
    """The words in `ARGS=`. Raises ToolError."""
    parser = _Parser(prog="make bench", add_help=False, allow_abbrev=False)
    parser.add_argument("--runs", default="1")
    parser.add_argument("--shapes", default=next(iter(SHAPES)))
    parser.add_argument("--addons")
    given = parser.parse_args(words)
    variables = {name: os.environ.get(name) or value for name, value in _DEFAULTS.items()}
    if engine := os.environ.get("ENGINE"):
        variables["ENGINE"] = engine
    allowed = [
        key for key, addon in ADDONS.items() if variables["CHARTS"] == "lab" or not addon.lab_only
    ]
    addons = ",".join(allowed) if given.addons is None else given.addons
    return Asked(
        runs=_count(given.runs),
        shapes=_listed("--shapes", given.shapes, SHAPES),
        addons=() if addons == "none" else _listed("--addons", addons, allowed),
        variables=variables,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_RUNS):
        raise ToolError(f"--runs {text}", "not a number of runs", f"write 1 to {_MOST_RUNS}")
    return int(text)


def _listed(option: str, text: str, known: Collection[str]) -> tuple[str, ...]:
    for name in (names := tuple(dict.fromkeys(text.split(",")))):
        if name not in known:
            none = " (or none)" if option == "--addons" else ""
            raise ToolError(
                f"{option} {text}",
                f"there is no {name}" if name else "a name is empty",
                f"write some of {','.join(known)}{none}",
            )
    return names
