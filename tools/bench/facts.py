"""One `make up`, as those tell it who were there: the state, the cluster's API, the nodes."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools import checkpoints, cluster_api
from tools.bench import sessions, timeline
from tools.bench.timeline import Span, Step
from tools.copies import Copy
from tools.messages import ToolError
from tools.podman import as_root
from tools.state import Choices, recall

# By who wrote it: of a process that is gone at once the journal knows no unit. From OpenSSH 9.8 on
# sessions have a program of their own.
_JOURNAL = ("journalctl", "--identifier", "sshd", "--identifier", "sshd-session", "--no-pager")
_JOURNAL_FORM = ("--output", "json", "--output-fields", "MESSAGE,_PID")
_ANSWER_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Run:
    """Times are seconds since the epoch. `load` is the load average before the up and after it."""

    shape: str
    started: float
    ready: float
    ended: float
    load: tuple[float, float]
    made_with: Choices
    steps: Mapping[str, Step]
    sessions: Mapping[str, Sequence[Span]]

    @property
    def addons(self) -> list[Span]:
        """Each add-on, by when they began."""
        return timeline.addons(self.steps)

    @property
    def to_ready(self) -> float:
        """Seconds from `make up` until the last node was Ready."""
        return self.ready - self.started

    @property
    def to_addons(self) -> float | None:
        """Seconds from there until all add-ons were deployed; None without add-ons."""
        return max((span.ended for span in self.addons), default=self.ready) - self.ready or None

    @property
    def seconds(self) -> float:
        """All that `make up` took."""
        return self.ended - self.started


def read(copy: Copy, shape: str, started: float, ended: float, load_before: float) -> Run:
    """What is known of the stack's `up`, which must have made all of it. Raises ToolError."""
    deployment = checkpoints.deployment(copy.state.checkpoint(copy.stack))
    kubeconfig = copy.state.kubeconfig(copy.stack).read_text(encoding="utf-8")
    nodes = cluster_api.get(cluster_api.access(kubeconfig), "/api/v1/nodes")["items"]
    return Run(
        shape=shape,
        started=started,
        ready=ready(nodes),
        ended=ended,
        load=(load_before, os.getloadavg()[0]),
        made_with=recall(copy.stack, copy.state),
        steps=timeline.steps(deployment, copy.stack),
        sessions={name: sessions.read(_journal(name)) for name in sorted(map(_name, nodes))},
    )


def ready(nodes: Sequence[Mapping[str, Any]]) -> float:
    """When the last node became Ready, as the API has it: to the second. Raises ToolError."""
    since = []
    for node in nodes:
        conditions = {each["type"]: each for each in node["status"].get("conditions", ())}
        condition = conditions.get("Ready", {})
        if condition.get("status") != "True":
            raise ToolError(
                f"node {_name(node)}", "it is not Ready after `make up`", "see its k3s's journal"
            )
        since.append(timeline.timestamp(condition["lastTransitionTime"]))
    return max(since)


def _journal(node: str) -> str:
    """What sshd wrote on a node. Nodes are containers of Podman's, root's own."""
    command = as_root("podman", "exec", f"k3s-{node}", *_JOURNAL, *_JOURNAL_FORM)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_ANSWER_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(
            f"node {node}", f"its journal cannot be read: {error}", "see why"
        ) from error
    return done.stdout


def _name(node: Mapping[str, Any]) -> str:
    return str(node["metadata"]["name"])
