"""The cluster that is struck: the commands that change it, and runs of them."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests import host
from tests.e2e.kubernetes import Kubectl, is_ready
from tests.e2e.workspace import Workspace
from tests.kills import strikes
from tests.kills.places import Boundary, Command, Place, Script, boundaries, script_kind
from tests.kills.plan import Moment
from tests.kills.watch import Watch, running_scripts
from tools import checkpoints
from tools.copies import environment
from tools.paths import State

STACK = "k3skills"
RANGES = ("10.156.", "10.157.")
OPTION = "kills.example"
# What a cut-off run may take to end, when all that it waits for is bounded by its steps.
_RUN_SECONDS = 1600
# What a node that was restarted may take to be Ready.
_SETTLE_SECONDS = 120
_UNCHANGED = re.compile(r"^(up done:|Resources:\n) +\d+ unchanged(;|\n)", re.MULTILINE)


@dataclass(frozen=True)
class Wanted:
    """What the stack file declares beside one server."""

    agents: int = 1
    option: bool = False
    newer: bool = False


@dataclass(frozen=True)
class Change:
    """A command: what it asks for, when that is a change at all. None is no cluster."""

    make: str
    leads: Callable[[Wanted | None], Wanted | None]


def _of(change: Callable[[Wanted], Wanted | None]) -> Callable[[Wanted | None], Wanted | None]:
    return lambda wanted: None if wanted is None else change(wanted)


COMMANDS: Mapping[Command, Change] = {
    "born": Change("up", lambda wanted: wanted or Wanted()),
    "change": Change("up", _of(lambda w: replace(w, option=not w.option))),
    "upgrade": Change("up", _of(lambda w: replace(w, newer=True))),
    "grow": Change("up", _of(lambda w: replace(w, agents=1))),
    "shrink": Change("up", _of(lambda w: replace(w, agents=0))),
    "destroy": Change("destroy", lambda _: None),
}


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
        self.workspace, self._kubectl, self._releases = workspace, kubectl, releases
        self._before, self._alone = host.facts(), not _others()
        self.wanted: Wanted | None = None
        self.log: list[str] = []

    # Names

    def nodes(self, wanted: Wanted) -> list[str]:
        agents = [f"{STACK}-agent-{number}" for number in range(1, wanted.agents + 1)]
        return [f"{STACK}-server-1", *agents]

    def owners(self) -> list[str]:
        return [*self.nodes(Wanted(agents=9)), f"{STACK}-registration", STACK]

    # Runs

    def ask(self, command: Command) -> None:
        """The stack file for what the command is to bring about."""
        self.wanted = COMMANDS[command].leads(self.wanted)
        if self.wanted:
            self.configure(self.wanted)

    def configure(self, wanted: Wanted) -> None:
        folder = self._releases[wanted.newer]
        agents = {"agent": {"role": "agent", "count": wanted.agents}} if wanted.agents else {}
        self.workspace.configure(
            groups={"server": {"role": "server", "count": 1}, **agents},
            k3s={
                "version": folder.name,
                "artifacts": {"from": "folder", "folder": str(folder)},
                "disable": ["traefik", "servicelb", "metrics-server"],
                "tlsSan": [OPTION] if wanted.option else [],
            },
        )

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
            named = [o for o in self.owners() if at.resource.startswith(f"{o}-") and o != STACK]
            return named[0] if named else f"{STACK}-server-1"
        script = next((p for p, s in running_scripts(STACK) if s == at), None)
        host_name = _host_of(script) if script else ""
        return host_name or f"{STACK}-server-1"

    def places(self, command: Command, ended: Ended) -> Iterator[Place]:
        """Where a run like this one can be struck."""
        yield from boundaries(command, ended.text.splitlines(), self.owners())
        for script, seconds in ended.scripts.items():
            yield Place(command, script_kind(script), script, script.on_node, seconds)

    # What must be so

    def faults(self) -> list[str]:
        """What is not as declared, once it has had time to settle."""
        deadline = monotonic() + _SETTLE_SECONDS
        while (found := self._faults()) and monotonic() < deadline:
            sleep(0.5)
        return found

    def _faults(self) -> list[str]:
        left = [f"{script} still runs" for _, script in running_scripts(STACK)]
        if self.wanted is None:
            return [*left, *self._traces()]
        return [*left, *self._machines(self.wanted), *self._cluster(self.wanted)]

    def _traces(self) -> list[str]:
        """What this machine has kept of a stack that is gone."""
        found = host.differences(self._before, host.facts())
        if not (self._alone and not _others()):
            # Somebody else's nodes come and go meanwhile: what bears this stack's name is its own.
            found = [line for line in found if any(own in line for own in (STACK, *RANGES))]
        state = State(self.workspace.state).checkpoint(STACK)
        kept = checkpoints.deployment(state).get("resources") if state.exists() else None
        found += [f"{resource['urn']} is in the state" for resource in kept or ()]
        return found

    def _machines(self, wanted: Wanted) -> list[str]:
        label = f"label=io.k3s-pulumi.stack=k3s-{STACK}"
        running = _said(["podman", "ps", "--filter", label, "--format", "{{.Names}}"]).split()
        declared = {f"k3s-{name}" for name in (*self.nodes(wanted), f"{STACK}-registration")}
        return [f"machines {sorted(running)}"] if set(running) != declared else []

    def _cluster(self, wanted: Wanted) -> list[str]:
        asked = self._kubectl.attempt("--request-timeout", "10s", "get", "nodes", "-o", "json")
        if asked.returncode:
            return [f"the API does not answer: {asked.stderr.strip()}"]
        nodes = {n["metadata"]["name"]: n for n in json.loads(asked.stdout)["items"]}
        found = []
        if set(nodes) != set(self.nodes(wanted)):
            found.append(f"Nodes {sorted(nodes)}")
        for name, node in nodes.items():
            found += [
                f"{name} {fault}" for fault in _node_faults(node, self._releases[wanted.newer])
            ]
        return found + self._servers_faults(wanted)

    def _servers_faults(self, wanted: Wanted) -> list[str]:
        server = f"{STACK}-server-1"
        found = []
        try:
            members = _members(server)
            config = _inside(server, "cat", "/etc/rancher/k3s/config.yaml")
        except subprocess.CalledProcessError as error:
            return [f"{server}: {error.cmd[3:5]} {error.stderr.strip()}"]
        if [member.rpartition("-")[0] for member in members] != [server]:
            found.append(f"etcd members {members}")
        if (OPTION in config) != wanted.option:
            found.append(f"{server}: the option is {OPTION in config}")
        return found

    def changed_by_up(self) -> str:
        """What a further `up` says of changes; empty when it changes nothing."""
        ended = self.run("up")
        return "" if ended.code == 0 and _UNCHANGED.search(ended.text) else ended.text


def _node_faults(node: Mapping[str, Any], release: Path) -> Iterator[str]:
    if not is_ready(node):
        yield "is not Ready"
    if node["spec"].get("unschedulable"):
        yield "is cordoned"
    if "k3s-pulumi/drained" in node["metadata"].get("annotations", {}):
        yield "is noted as drained"
    if (version := node["status"]["nodeInfo"]["kubeletVersion"]) != release.name:
        yield f"has {version}, not {release.name}"


def _members(server: str) -> list[str]:
    folder = "/var/lib/rancher/k3s/server/tls/etcd"
    files = {"--cacert": "server-ca.crt", "--cert": "client.crt", "--key": "client.key"}
    words = [word for flag, file in files.items() for word in (flag, f"{folder}/{file}")]
    url = "https://127.0.0.1:2379/v3/cluster/member/list"
    answer = _inside(server, "curl", "-sSf", "-m", "5", *words, "-d", "{}", url)
    return [member["name"] for member in json.loads(answer)["members"]]


def _inside(node: str, *words: str) -> str:
    return _said(["podman", "exec", f"k3s-{node}", *words])


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _others() -> list[str]:
    """Containers of other stacks that run here."""
    names = _said(["podman", "ps", "--format", "{{.Names}}"]).split()
    return [name for name in names if not name.startswith(f"k3s-{STACK}")]


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
