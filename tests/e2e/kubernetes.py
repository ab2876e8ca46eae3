"""kubectl on the test's side, and what a cluster must look like from there."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

# How much slower than a quiet one a machine may be that runs the tests.
PATIENCE = 5
_KUBECTL_SECONDS = 600


@dataclass(frozen=True)
class Kubectl:
    """The release's own kubectl, with a kubeconfig."""

    k3s: Path
    kubeconfig: Path

    def attempt(self, *words: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.k3s), "kubectl", "--kubeconfig", str(self.kubeconfig), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_KUBECTL_SECONDS,
            check=False,
        )

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        run = self.attempt(*words, stdin=stdin)
        assert run.returncode == 0, f"kubectl {' '.join(words)}: {run.stderr}"
        return run.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--output", "json"))


def until(seconds: float, what: str, holds: Callable[[], object]) -> None:
    """Ask again until it holds; its last word is told when the time is over.

    `seconds` are those of a quiet machine, and PATIENCE times as many are given: it is never speed
    that a test shows by this. A question that fails is asked again as well, as when a server that
    is to come up does not answer yet.
    """
    given = seconds * PATIENCE
    deadline = monotonic() + given
    while not (last := _asked(holds)):
        assert monotonic() < deadline, f"not within {given:g} s: {what} ({last!r})"
        sleep(0.2)


def _asked(holds: Callable[[], object]) -> object:
    try:
        return holds()
    except (AssertionError, subprocess.CalledProcessError) as error:
        return _No(str(error))


@dataclass(frozen=True)
class _No:
    """An answer that is none."""

    why: str

    def __bool__(self) -> bool:
        return False


def wrong_addresses(nodes: Sequence[Mapping[str, Any]], declared: Sequence[Any]) -> list[str]:
    """What of the Nodes' addresses is not as the stack's outputs declare it."""
    found = {node["metadata"]["name"]: node["status"]["addresses"] for node in nodes}
    wrong = []
    for node in declared:
        for kind, side in (("InternalIP", "private"), ("ExternalIP", "public")):
            has = [a["address"] for a in found.get(node["name"], ()) if a["type"] == kind]
            if has != node["addresses"][side]:
                wrong.append(f"{node['name']}: {kind} {has}, not {node['addresses'][side]}")
    return wrong


def is_ready(node: Mapping[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
    return conditions.get("Ready") == "True"
