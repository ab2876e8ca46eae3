"""The stack that is struck: what can be declared of it, and the commands that lead there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.kills.places import Command

STACK = "k3skills"
RANGES = {"privateCidr": "10.156.0.0/16", "publicCidr": "10.157.0.0/16"}
SERVER, BALANCER = f"{STACK}-server-1", f"{STACK}-registration"
# A name in the API's certificate: an option of servers alone.
OPTION = "kills.example"


@dataclass(frozen=True)
class Wanted:
    """What the stack file declares beside one server."""

    agents: int = 1
    option: bool = False
    newer: bool = False

    @property
    def nodes(self) -> list[str]:
        return [SERVER, *(f"{STACK}-agent-{number + 1}" for number in range(self.agents))]

    @property
    def machines(self) -> list[str]:
        return [*self.nodes, BALANCER]

    def settings(self, release: Path) -> dict[str, object]:
        """Settings by their keys, with k3s from a release folder."""
        agents = {"agent": {"role": "agent", "count": self.agents}} if self.agents else {}
        return {
            "groups": {"server": {"role": "server", "count": 1}, **agents},
            "k3s": {
                "version": release.name,
                "artifacts": {"from": "folder", "folder": str(release)},
                "disable": ["traefik", "servicelb", "metrics-server"],
                "tlsSan": [OPTION] if self.option else [],
            },
        }


@dataclass(frozen=True)
class Change:
    """What is called of `make`, and what it leads to. None is no cluster."""

    make: str
    leads: Callable[[Wanted | None], Wanted | None]


def _of(change: Callable[[Wanted], Wanted]) -> Callable[[Wanted | None], Wanted | None]:
    return lambda wanted: None if wanted is None else change(wanted)


COMMANDS: Mapping[Command, Change] = {
    "born": Change("up", lambda wanted: wanted or Wanted()),
    # Of a whole cluster: it is struck at its agent, too.
    "change": Change("up", _of(lambda w: replace(w, option=not w.option) if w.agents else w)),
    "upgrade": Change("up", _of(lambda w: replace(w, newer=True) if w.agents else w)),
    "shrink": Change("up", _of(lambda w: replace(w, agents=0))),
    "grow": Change("up", _of(lambda w: replace(w, agents=1))),
    "destroy": Change("destroy", lambda _: None),
}


def way(wanted: Wanted | None, command: Command) -> list[Command]:
    """The fewest commands after which `command` is a change."""
    ways: list[tuple[Wanted | None, list[Command]]] = [(wanted, [])]
    for now, before in ways:  # it grows while it is walked
        if COMMANDS[command].leads(now) != now:
            return before
        leads = {name: change.leads(now) for name, change in COMMANDS.items()}
        ways += [(then, [*before, name]) for name, then in leads.items() if then != now]
    raise AssertionError(command)
