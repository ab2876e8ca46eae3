"""`make bench`: clusters made and taken away, one after another, and what they took."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from tools import checkpoints, packages, processes, state
from tools.bench import facts, report, shapes
from tools.bench.asked import Asked, parse
from tools.bench.facts import Run
from tools.copies import Copy, environment
from tools.messages import ToolError, say
from tools.paths import cache_folder

_UP_SECONDS = 1200.0
_DESTROY_SECONDS = 300.0
_LAST_WORDS = 5  # lines


def run(words: Sequence[str]) -> None:
    """Measures what is asked for, and prints it. Raises ToolError.

    What it makes is its own, and taken away again, after a failure and a Ctrl-C, too.
    """
    asked = parse(words)
    copy = Copy(cache_folder() / "bench" / shapes.STACK, shapes.STACK)
    with _alone(copy):
        _clear(copy)
        copy.refill()
        _set_up(copy, asked)
        say(f"bench: {_machine()}")
        runs = [
            _measured(copy, asked, shape, f"run {number} of {asked.runs}")
            for number in range(1, asked.runs + 1)
            for shape in asked.shapes
        ]
    print(f"{_machine()}; {_sources(runs[0].made_with)}\n")
    print(report.overview(runs, shapes.STACK))
    print(f"\n{report.details(runs, shapes.STACK)}")


def _measured(copy: Copy, asked: Asked, shape: str, number: str) -> Run:
    copy.configure(shapes.settings(shapes.SHAPES[shape], asked.addons))
    load = os.getloadavg()[0]
    started = time.time()
    try:
        _make(copy, "up", asked, _UP_SECONDS)
        found = facts.read(copy, shape, started, time.time(), load)
    finally:
        _make(copy, "destroy", asked, _DESTROY_SECONDS)
    more = "" if found.to_addons is None else f", add-ons {found.to_addons:.1f} s later"
    load_after = f"load {found.load[0]:.1f} before, {found.load[1]:.1f} after"
    say(f"bench: {shape}, {number}: Ready after {found.to_ready:.1f} s{more}; {load_after}")
    return found


def _set_up(copy: Copy, asked: Asked) -> None:
    """All that `make up` would build or install first: that is not what is measured."""
    if os.geteuid() == 0:
        packages.ensure()
    processes.build("lab.nodes.build", "the node image")
    copy.configure(shapes.settings(shapes.SHAPES[asked.shapes[0]], asked.addons))
    _make(copy, "preview", asked, _UP_SECONDS)


def _make(copy: Copy, command: str, asked: Asked, seconds: float) -> None:
    """Runs `make COMMAND` there, what it says into a file. Raises ToolError with its last words."""
    log = copy.folder.with_suffix(f".{command}.log")
    with log.open("w+", encoding="utf-8") as said:
        code = processes.run(
            copy.make(command),
            environment(**asked.variables),
            cwd=copy.folder,
            output=said,
            seconds=seconds,
        )
        said.seek(0)
        words = "".join(said.readlines()[-_LAST_WORDS:]).rstrip()
    if code != 0:
        again = f"make -C {copy.folder} destroy STACK={copy.stack}"
        raise ToolError(
            f"make {command} of {copy.stack}",
            f"it ended with exit code {code}:\n{words}\n(all of it: {log})",
            f"take away what may be left: {again}" if command == "destroy" else "see there",
        )


def _clear(copy: Copy) -> None:
    """What a run that was killed has left."""
    if copy.is_made and checkpoints.has_resources(copy.state.checkpoint(copy.stack)):
        say(f"stack {copy.stack} is there from a run before: it is destroyed first")
        made_with = state.recall(copy.stack, copy.state)
        _make(copy, "destroy", Asked(variables=_variables(made_with)), _DESTROY_SECONDS)


def _variables(made_with: state.Choices) -> Mapping[str, str]:
    return {"ENGINE": made_with.engine} if made_with.engine else {}


@contextmanager
def _alone(copy: Copy) -> Iterator[None]:
    """Two at once would take each other's cluster away, and each other's time."""
    copy.folder.parent.mkdir(parents=True, exist_ok=True)
    with copy.folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolError(
                f"{copy.folder}", "another `make bench` is at work there", "wait for its end"
            ) from None
        yield


def _machine() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} CPUs ({platform.machine()}), {pages / 2**30:.0f} GiB, load {load}"


def _sources(made_with: state.Choices) -> str:
    return ", ".join(f"{part} {source}" for part, source in asdict(made_with).items())
