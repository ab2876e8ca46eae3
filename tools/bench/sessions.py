"""The SSH sessions of an `up`, by the clock of the node that they were on.

Source: what sshd and PAM write into the journal at sshd's log level INFO, sshd_config(5).
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from tools.bench.timeline import Span, Step

_BEGUN = re.compile(r"Accepted publickey for ")
_ENDED = re.compile(r"pam_unix\(sshd:session\): session closed for user ")
_SESSION = "command:remote:"
_ON_A_SERVER = "-registration"
# What may pass between a session's end on a node and the engine's note of it, either first.
_SLACK_SECONDS = 0.5


def read(journal: str) -> list[Span]:
    """Sessions in a journal of JSON lines (`journalctl --output json`), by when they began.

    Each has a process of its own; one that has not ended lasts for ever.
    """
    open_since: dict[str, float] = {}
    found = []
    for entry in map(json.loads, filter(None, journal.splitlines())):
        message, process = entry.get("MESSAGE"), entry.get("_PID", "")
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        if not isinstance(message, str):  # bytes that are no text
            continue
        if _BEGUN.match(message):
            open_since[process] = at
        elif _ENDED.match(message) and process in open_since:
            found.append(Span(process, open_since.pop(process), at))
    found += [Span(process, begun, math.inf) for process, begun in open_since.items()]
    return sorted(found, key=lambda session: session.begun)


def on_node(step: Step, sessions: Mapping[str, Sequence[Span]], stack: str) -> float | None:
    """Seconds that a step's own session took on its node; None for a step without one."""
    if not step.type.startswith(_SESSION):
        return None
    mine = [
        session
        for node in _nodes(step, sessions, stack)
        for session in sessions[node]
        if session.begun >= step.begun - _SLACK_SECONDS and _apart(step, session) <= _SLACK_SECONDS
    ]
    nearest = min(mine, key=lambda session: _apart(step, session), default=None)
    return nearest.seconds if nearest else None


def _apart(step: Step, session: Span) -> float:
    """Seconds between the two ends."""
    return abs(step.ended - session.ended)


def _nodes(step: Step, nodes: Iterable[str], stack: str) -> list[str]:
    """Where a step can have run: on the node it is named after, else on a server."""
    named = [node for node in nodes if f"{stack}-{step.name}".startswith(f"{node}-")]
    if named and not step.name.endswith(_ON_A_SERVER):
        return named
    return [node for node in nodes if node.startswith(f"{stack}-server-")]
