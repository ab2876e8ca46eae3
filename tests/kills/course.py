"""Runs of the commands, left alone or struck at a moment."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from tests.e2e.kubernetes import Kubectl
from tests.e2e.workspace import Workspace
from tests.kills import strikes
from tests.kills.commands import COMMANDS, SERVER, STACK, Wanted
from tests.kills.faults import Outlook
from tests.kills.places import Boundary, Command, Place, Script, boundaries, script_kind
from tests.kills.plan import Moment
from tests.kills.watch import Watch, running_scripts
from tools.copies import environment
from tools.paths import State

_ALL = Wanted()
# What a cut-off run may take to end, when all that it waits for is bounded by its steps.
_RUN_SECONDS = 1600
_UNCHANGED = re.compile(r"^(up done:|Resources:\n) +\d+ unchanged(;|\n)", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """A run that was watched to its end."""

    code: int
    seconds: float
    text: str
    scripts: Mapping[Script, float]
    struck: str = ""
    """What was struck, and when; empty when nothing was."""


class Course:
    """One stack, in a copy of the project; its `wanted` is what the next call is to bring about."""

    def __init__(
        self, workspace: Workspace, kubectl: Kubectl, releases: Mapping[bool, Path]
    ) -> None:
        """`releases`: the folder of the newer k3s, and of the one to begin with."""
        self.workspace, self._releases = workspace, releases
        self._outlook = Outlook(kubectl, State(workspace.state).checkpoint(STACK))
        self.wanted: Wanted | None = None
        self.missed = 0
        self.log: list[str] = []

    # Runs

    def ask(self, command: Command) -> None:
        """Write the stack file for what the command is to bring about."""
        self.wanted = COMMANDS[command].leads(self.wanted)
        if self.wanted:
            self.workspace.configure(**self.wanted.settings(self._releases[self.wanted.newer]))

    def run(self, make: str, moment: Moment | None = None) -> Ended:
        """`make`, struck at the moment, to its end."""
        began = monotonic()
        process = subprocess.Popen(
            ["make", make, f"STACK={STACK}"],
            cwd=self.workspace.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with Watch(STACK, process) as watch:
            struck = self._strike(moment, process, watch, began) if moment else ""
            code = process.wait(_RUN_SECONDS)
        seconds = monotonic() - began
        text = "\n".join(watch.lines)
        self.log += [f"--- make {make}: {code} after {seconds:.1f} s {struck}", text]
        took = {script: run.last - run.first for script, run in watch.scripts.items()}
        return Ended(code, seconds, text, took, struck)

    def _strike(
        self, moment: Moment, process: "subprocess.Popen[str]", watch: Watch, began: float
    ) -> str:
        at, place = moment.place.at, moment.place
        while process.poll() is None:
            script = watch.scripts.get(at) if isinstance(at, Script) else None
            if script is not None:
                due = monotonic() - script.first >= moment.share * place.seconds
            else:
                due = isinstance(at, Boundary) and at in watch.boundaries
            if due:
                return self._struck(moment, script.process if script else None, began)
            sleep(0.001)
        return ""

    def _struck(self, moment: Moment, script: int | None, began: float) -> str:
        within = script is not None and Path(f"/proc/{script}").exists()
        when = f"after {monotonic() - began:.1f} s{', within it' if within else ''}"
        try:
            what = strikes.strike(moment.strike, STACK, self._node_of(moment.place), script)
        except strikes.NothingToStrikeError as error:
            # Where there is no session (yet), or no program any more: the run as a whole goes.
            what = f"{strikes.strike('engine', STACK, '', None)}, as {error}"
        return f"{what} {when}"

    def _node_of(self, place: Place) -> str:
        """The machine that the place is on, or what is nearest to it."""
        at = place.at
        if isinstance(at, Boundary):
            named = [m for m in _ALL.machines if at.resource.startswith(f"{m}-")]
            return named[0] if named else SERVER
        script = next((p for p, s in running_scripts(STACK) if s == at), None)
        host_name = _host_of(script) if script else ""
        return host_name or SERVER

    def places(self, command: Command, ended: Ended) -> Iterator[Place]:
        """Where a run like this one can be struck."""
        yield from boundaries(command, ended.text.splitlines(), [*_ALL.machines, STACK])
        for script, seconds in ended.scripts.items():
            yield Place(command, script_kind(script), script, script.on_node, seconds)

    # What must be so

    def faults(self) -> list[str]:
        """What is not as declared."""
        release = self._releases[self.wanted.newer] if self.wanted else None
        return self._outlook.faults(self.wanted, release)

    def changed_by_up(self) -> str:
        """What a further `up` says of changes; empty when it changes nothing."""
        ended = self.run("up")
        return "" if ended.code == 0 and _UNCHANGED.search(ended.text) else ended.text


def _host_of(process: int) -> str:
    """Host name of the machine that a process is on."""
    try:
        run = subprocess.run(
            ["nsenter", "--uts", "--target", str(process), "uname", "-n"],
            capture_output=True,
            text=True,
            check=True,
        )
    except subprocess.CalledProcessError:
        return ""  # it has ended in between
    return run.stdout.strip()


def seed() -> int:
    """SEED, else one that nobody chose."""
    return int(os.environ.get("SEED") or int.from_bytes(os.urandom(3)))


def part() -> tuple[int | None, int, int | None]:
    """MOMENTS: how many, and which of them: `24`, `7-7`, or unset for one of each kind."""
    asked = os.environ.get("MOMENTS", "")
    if "-" in asked:
        first, last = asked.split("-")
        return None, int(first), int(last)
    return (int(asked) if asked else None), 1, None
