"""What is not as declared, seen from outside: through Podman, the API, etcd and this machine."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests import host
from tests.e2e.kubernetes import Kubectl, is_ready
from tests.kills.commands import OPTION, RANGES, SERVER, STACK, Wanted
from tests.kills.watch import running_scripts
from tools import checkpoints

# What a node that was restarted may take to be Ready.
_SECONDS = 120
_OURS = (STACK, *(cidr.removesuffix("0.0/16") for cidr in RANGES.values()))


class Outlook:
    """What this machine was like before the stack, and how the cluster is asked."""

    def __init__(self, kubectl: Kubectl, checkpoint: Path) -> None:
        self._kubectl, self._checkpoint = kubectl, checkpoint
        self._before, self._alone = host.facts(), not _others()

    def faults(self, wanted: Wanted | None, release: Path | None) -> list[str]:
        """What is left of them once all has had time to settle. `release` is the nodes' k3s."""
        deadline = monotonic() + _SECONDS
        while (found := list(self._faults(wanted, release))) and monotonic() < deadline:
            sleep(0.5)
        return found

    def _faults(self, wanted: Wanted | None, release: Path | None) -> Iterator[str]:
        yield from (f"{script} still runs" for _, script in running_scripts(STACK))
        if wanted is None or release is None:
            yield from self._traces()
            return
        if (running := _machines()) != {f"k3s-{name}" for name in wanted.machines}:
            yield f"machines {sorted(running)}"
        yield from self._nodes(wanted, release.name)
        yield from _server(wanted)

    def _traces(self) -> Iterator[str]:
        """What this machine and the state have kept of a stack that is gone."""
        found = host.differences(self._before, host.facts())
        if self._alone and not _others():
            yield from found
        else:  # somebody else's nodes come and go: what bears the stack's name or addresses is ours
            yield from (line for line in found if any(own in line for own in _OURS))
        kept = checkpoints.deployment(self._checkpoint).get("resources")
        yield from (f"{resource['urn']} is in the state" for resource in kept or ())

    def _nodes(self, wanted: Wanted, version: str) -> Iterator[str]:
        asked = self._kubectl.attempt("--request-timeout", "10s", "get", "nodes", "-o", "json")
        if asked.returncode:
            yield f"the API does not answer: {asked.stderr.strip()}"
            return
        nodes = {node["metadata"]["name"]: node for node in json.loads(asked.stdout)["items"]}
        if set(nodes) != set(wanted.nodes):
            yield f"Nodes {sorted(nodes)}"
        for name, node in nodes.items():
            yield from (f"{name} {fault}" for fault in _node(node, version))


def _node(node: Mapping[str, Any], version: str) -> Iterator[str]:
    if not is_ready(node):
        yield "is not Ready"
    if node["spec"].get("unschedulable"):
        yield "is cordoned"
    if "k3s-pulumi/drained" in node["metadata"].get("annotations", {}):
        yield "is noted as drained"
    if (found := node["status"]["nodeInfo"]["kubeletVersion"]) != version:
        yield f"has {found}, not {version}"


def _server(wanted: Wanted) -> Iterator[str]:
    try:
        members = _members()
        config = _inside("cat", "/etc/rancher/k3s/config.yaml")
    except subprocess.CalledProcessError as error:
        yield f"{SERVER}: {error.stderr.strip()}"
        return
    # k3s names a member after its node, with some characters behind it.
    if [member.rpartition("-")[0] for member in members] != [SERVER]:
        yield f"etcd members {members}"
    if (OPTION in config) != wanted.option:
        yield f"{SERVER} has the option: {OPTION in config}"


def _members() -> list[str]:
    folder = "/var/lib/rancher/k3s/server/tls/etcd"
    files = {"--cacert": "server-ca.crt", "--cert": "client.crt", "--key": "client.key"}
    words = [word for flag, file in files.items() for word in (flag, f"{folder}/{file}")]
    url = "https://127.0.0.1:2379/v3/cluster/member/list"
    answer = json.loads(_inside("curl", "-sSf", "-m", "5", *words, "-d", "{}", url))
    return [member["name"] for member in answer["members"]]


def _inside(*words: str) -> str:
    return _said(["podman", "exec", f"k3s-{SERVER}", *words])


def _machines() -> set[str]:
    label = f"label=io.k3s-pulumi.stack=k3s-{STACK}"
    return set(_said(["podman", "ps", "--filter", label, "--format", "{{.Names}}"]).split())


def _others() -> list[str]:
    """Containers of other stacks that run here."""
    names = _said(["podman", "ps", "--format", "{{.Names}}"]).split()
    return [name for name in names if not name.startswith(f"k3s-{STACK}")]


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
