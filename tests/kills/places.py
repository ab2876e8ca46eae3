"""Places in a run at which it can be struck: found in a run that is left alone, listed nowhere."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Where = Literal["begin", "end"]
Command = Literal["born", "change", "upgrade", "grow", "shrink", "destroy"]

# What the engines print of a step, a line at its begin and one at its end.
_LAB = re.compile(
    r" +(?P<op>[a-z-]+) +(?P<type>\S+:\S+) (?P<name>\S+)(?P<end> (?:done|FAILED) .*)?$"
)
_CLI = re.compile(
    r" +[-+~]{1,2} +(?P<type>\S+:\S+) (?P<name>\S+) "
    r"(?P<op>creat|updat|delet)(?P<end>ed)?(?:ing)? \("
)
_OPERATIONS = {"creat": "create", "updat": "update", "delet": "delete"}
# Of a name's first word the kind of file that is uploaded says nothing about how it goes on.
_UPLOAD = re.compile(r"upload-.*")


@dataclass(frozen=True, order=True)
class Boundary:
    """The begin or end of one operation on one resource."""

    operation: str
    resource: str
    where: Where

    def __str__(self) -> str:
        return f"{self.where} of {self.operation} {self.resource}"


@dataclass(frozen=True, order=True)
class Script:
    """A script, by its arguments: `create install:NODE` runs on a node, `create NODE` here."""

    action: str
    subject: str

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"

    @property
    def on_node(self) -> bool:
        return ":" in self.subject


@dataclass(frozen=True)
class Place:
    """`command` is the one that is struck, `kind` what all places of its sort have in common.

    `seconds`: what a script took when nobody struck it.
    """

    command: Command
    kind: str
    at: Boundary | Script
    on_node: bool
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.command, self.kind, str(self.at)


def boundary(line: str) -> tuple[str, Boundary] | None:
    """The resource's type and the boundary that a line of either engine's output tells of."""
    for pattern in (_LAB, _CLI):
        if found := pattern.match(line):
            operation = _OPERATIONS.get(found["op"], found["op"])
            where: Where = "end" if found["end"] else "begin"
            return found["type"], Boundary(operation, found["name"], where)
    return None


def boundaries(command: Command, lines: Iterable[str], owners: Sequence[str]) -> Iterator[Place]:
    """Boundaries of all that runs a script or copies a file; `owners` as for `kind_of`."""
    for type_, at in filter(None, map(boundary, lines)):
        if type_.startswith("command:"):
            kind = f"{at.operation} {kind_of(at.resource, owners)}"
            yield Place(command, kind, at, on_node=":remote:" in type_)


def kind_of(resource: str, owners: Sequence[str]) -> str:
    """A resource's name without its owner's: `install` of `k3skills-server-1-install`.

    `owners` are the names of nodes and balancer, and of the stack; what is left of an owner's own
    resource is `machine`.
    """
    for owner in sorted(owners, key=len, reverse=True):
        if resource == owner:
            return "machine"
        if resource.startswith(f"{owner}-"):
            return _UPLOAD.sub("upload", resource.removeprefix(f"{owner}-"))
    return resource


def script_kind(script: Script) -> str:
    """What scripts of one sort have in common: `create install`."""
    step = script.subject.partition(":")[0] if script.on_node else "on this machine"
    return f"{script.action} {step}"


def save(places: Iterable[Place], file: Path) -> None:
    """Keep what was found, so that moments of the same numbers can be drawn again."""
    file.write_text(json.dumps([asdict(place) for place in places], indent=1))


def load(file: Path) -> list[Place]:
    """What `save` kept."""
    found = []
    for kept in json.loads(file.read_text()):
        at = kept.pop("at")
        found.append(Place(at=Boundary(**at) if "where" in at else Script(**at), **kept))
    return found
