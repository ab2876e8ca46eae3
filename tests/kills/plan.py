"""Moments: where a run is struck, how, and what is called afterwards. All drawn from a seed."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from tests.kills.places import Command, Place, Script

Strike = Literal["engine", "program", "both", "node", "ssh"]

WORDS: Mapping[Strike, str] = {
    "engine": "the engine is killed",
    "program": "the program is killed",
    "both": "engine and program are killed",
    "node": "the node is restarted",
    "ssh": "its SSH session is dropped",
}
_ON_A_CLUSTER: Sequence[Command] = ("change", "shrink", "grow", "upgrade")
# One killed `up` in so many is answered by `destroy`. A killed `destroy` always is.
_OTHER = 5


@dataclass(frozen=True)
class Moment:
    """`share`: how far into a script, 0 to 1. `then` is called until the cluster is as declared."""

    place: Place
    strike: Strike
    share: float
    then: Literal["up", "destroy"]

    def __str__(self) -> str:
        at = self.place.at
        if isinstance(at, Script):
            told = f"{self.share:.2f} of the {self.place.seconds:.1f} s of {at}"
        else:
            told = str(at)
        return f"{self.place.command}, {told}: {WORDS[self.strike]}, then {self.then}"


def plan(places: Iterable[Place], seed: int, count: int | None) -> list[Moment]:
    """One moment of each kind of place, or `count` of them; in the order of few detours.

    Every kind comes before any comes twice, those inside scripts first.
    """
    draw = random.Random(seed)  # noqa: S311 - to be repeated is what it is for
    chosen = _places(draw, list(places), count)
    used: Counter[Strike] = Counter()
    moments = []
    for number, place in enumerate(chosen):
        allowed = _strikes(place)
        strike = min(allowed, key=lambda s: (used[s], draw.random()))
        used[strike] += 1
        destroys = place.command == "destroy" or number % _OTHER == _OTHER - 1
        then: Literal["up", "destroy"] = "destroy" if destroys else "up"
        moments.append(Moment(place, strike, draw.uniform(0.05, 0.95), then))
    return in_circuits(moments)


def _places(draw: random.Random, places: list[Place], count: int | None) -> list[Place]:
    kinds: dict[tuple[bool, str], list[Place]] = defaultdict(list)
    for place in sorted(places, key=lambda p: p.key):
        kinds[isinstance(place.at, Script), place.kind].append(place)
    decks = [draw.sample(found, len(found)) for _, found in sorted(kinds.items(), reverse=True)]
    rounds = [place for turn in zip_longest(*decks) for place in turn if place is not None]
    wanted = len(decks) if count is None else count
    return rounds[:wanted]


def _strikes(place: Place) -> Sequence[Strike]:
    """While all is taken down, no program runs and no node is asked; only those have sessions."""
    if place.command == "destroy":
        return ("engine", "node") if place.on_node else ("engine",)
    killed: Sequence[Strike] = ("engine", "program", "both")
    return (*killed, "node", "ssh") if place.on_node else killed


def in_circuits(moments: Sequence[Moment]) -> list[Moment]:
    """From nothing to nothing, again and again: each begins on what the one before has left."""
    by_command: dict[Command, list[Moment]] = defaultdict(list)
    for moment in moments:
        by_command[moment.place.command].append(moment)
    circuits = max(1, len(by_command["born"]), len(by_command["upgrade"]))
    ordered: list[Moment] = []
    for turn in range(circuits):
        part = {
            command: found[turn * len(found) // circuits : (turn + 1) * len(found) // circuits]
            for command, found in by_command.items()
        }
        middle = zip_longest(*(part.get(command, []) for command in _ON_A_CLUSTER))
        ordered += part.get("born", [])
        ordered += [moment for turns in middle for moment in turns if moment is not None]
        ordered += part.get("destroy", [])
    return ordered
