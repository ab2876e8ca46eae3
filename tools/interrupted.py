"""What a killed run leaves behind that would refuse the next one: put right before that begins.

A killed CLI leaves its lock, and its plugins, which go on by themselves. An operation of Helm that
was cut off stays noted as under way in the cluster: `cannot re-use a name that is still in use`, or
`another operation (install/upgrade/rollback) is in progress`. Helm's note is a Secret. Without the
one of what was cut off, the next run does it again; the chart's objects are Helm's own and stay.

For stacks on this machine: what to do elsewhere is told in docs/interrupted-runs.md.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import checkpoints
from tools.messages import say
from tools.paths import PROJECT, State
from tools.podman import as_root

_PROCESSES = Path("/proc")
_CLI = "pulumi"
_PLUGIN = "pulumi-resource-"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"  # on servers alone
_SECONDS_TO_END = 10.0
_KUBECTL_SECONDS = 30
_UNDER_WAY = "status in (pending-install,pending-upgrade,pending-rollback)"


@dataclass(frozen=True)
class Release:
    """A Helm release that an operation was begun on; `known` to the stack's state or not yet."""

    namespace: str
    name: str
    known: bool

    @property
    def selector(self) -> str:
        """Helm's notes of what was cut off: all there are of a release that no state knows."""
        return f"owner=helm,name={self.name}" + (f",{_UNDER_WAY}" if self.known else "")


def put_right(stack: str, state: State, *, releases: bool) -> None:
    """Takes away what a killed run of the CLI left. Does nothing while another one runs.

    Without `releases` the notes of Helm stay: nobody asks for them when the cluster goes.
    """
    if not _PROCESSES.is_dir():
        return  # nodes on this machine are Linux's containers
    dead = list(dead_locks(stack, state))
    if dead:
        _end(orphans(state))
    for lock in dead:
        lock.unlink(missing_ok=True)
        say(f"stack {stack}: a run was killed, and its lock is taken away")
    if releases and not _locks(stack, state):
        _forget(stack, list(cut_off(state.checkpoint(stack))))


def dead_locks(stack: str, state: State) -> Iterator[Path]:
    """The CLI's locks of this machine whose run is no more."""
    for file in _locks(stack, state):
        try:
            holder = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        # The lab's engine takes over its own; see lab/engine/lock.py.
        of_the_cli_here = holder.get("hostname") == socket.gethostname() and "lab" not in holder
        if of_the_cli_here and _name(int(holder.get("pid", 0))) != _CLI:
            yield file


def orphans(state: State) -> list[int]:
    """Plugins of this clone's stacks whose engine is no more."""
    ours = f"PULUMI_BACKEND_URL={state.backend.as_uri()}".encode()
    found = []
    for process in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or it is somebody else's
            program = (process / "cmdline").read_bytes().split(b"\0")[0].decode()
            parent = int(_status(process)["PPid"])
            if not Path(program).name.startswith(_PLUGIN) or _name(parent) == _CLI:
                continue
            if ours in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def cut_off(checkpoint: Path) -> Iterator[Release]:
    """Releases on which an operation was begun and not ended, as the state has it."""
    latest = checkpoints.deployment(checkpoint)
    known = {resource["urn"] for resource in latest.get("resources") or ()}
    for operation in latest.get("pending_operations") or ():
        resource: Mapping[str, Any] = operation["resource"]
        # One that was made since is noted as begun until a refresh.
        stale = operation["type"] == "creating" and resource["urn"] in known
        if resource["type"] == _RELEASE and not stale:
            inputs = resource["inputs"]
            yield Release(inputs["namespace"], inputs["name"], resource["urn"] in known)


def _forget(stack: str, releases: Sequence[Release]) -> None:
    server = _server(stack) if releases else None
    if server is None:
        return  # no cluster, no notes
    for release in releases:
        words = ["delete", "secrets", "--namespace", release.namespace]
        run = _kubectl(server, *words, "--selector", release.selector, "--output", "name")
        if run.returncode:
            why = run.stderr.strip() or f"it took more than {_KUBECTL_SECONDS} s"
            say(f"stack {stack}: what was cut off of release {release.name} may be left: {why}")
        elif run.stdout.strip():
            say(f"stack {stack}: release {release.name} was cut off, and is taken up again")


def _server(stack: str) -> str | None:
    """The container of a server that runs."""
    label = f"label=io.k3s-pulumi.stack={PROJECT}-{stack}"
    listed = _podman("ps", "--filter", label, "--format", "{{.Names}}")
    for name in sorted(listed.stdout.split()):
        if _podman("exec", name, "test", "-e", _KUBECONFIG).returncode == 0:
            return name
    return None


def _kubectl(server: str, *words: str) -> "subprocess.CompletedProcess[str]":
    bounded = ["timeout", str(_KUBECTL_SECONDS), "k3s", "kubectl"]
    return _podman("exec", server, *bounded, *words)


def _podman(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(as_root("podman", *words), capture_output=True, text=True, check=False)


def _locks(stack: str, state: State) -> list[Path]:
    folder = state.backend / ".pulumi" / "locks" / "organization" / PROJECT / stack
    return sorted(folder.glob("*.json"))


def _end(processes: Sequence[int]) -> None:
    """They go on with what they were told, and would meet the next run's: they are ended first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = time.monotonic() + _SECONDS_TO_END
        while any(map(_name, processes)) and time.monotonic() < deadline:
            time.sleep(0.1)


def _name(process: int) -> str:
    """The name of a process; empty where there is none, or one that has ended."""
    with contextlib.suppress(OSError):
        found = _status(_PROCESSES / str(process))
        return "" if found["State"].startswith("Z") else found["Name"]
    return ""


def _status(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
