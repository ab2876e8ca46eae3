"""The one cluster that the end-to-end tests share, made and taken away by `make`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from components.platforms.local.podman import SCRIPTS
from components.scripts import compose
from tests import host
from tests.conftest import K3sRelease
from tests.e2e.kubernetes import Kubectl
from tests.e2e.secrets import ArgumentWatch
from tests.e2e.workspace import Made, Workspace

STACK = "k3se2e"
SETTINGS: dict[str, object] = {
    "platform": "local",
    "groups": {
        "server": {"role": "server", "count": 1},
        "agent": {"role": "agent", "count": 2, "labels": {"tests.example/disk": "fast"}},
    },
    "k3s": {"version": "v1.35.6+k3s1", "disable": ["traefik", "servicelb", "metrics-server"]},
    "local": {"privateCidr": "10.122.0.0/16", "publicCidr": "10.123.0.0/16"},
}


@dataclass(frozen=True)
class Cluster:
    """A cluster that stands, and what was noticed while it was made."""

    workspace: Workspace
    up: Made
    outputs: dict[str, Any]
    kubectl: Kubectl
    arguments: frozenset[str]
    before: host.Facts

    @property
    def containers(self) -> list[str]:
        return [f"k3s-{node['name']}" for node in self.outputs["nodes"]]

    def nodes(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.kubectl.json("get", "nodes")["items"]
        return items


def clear_away(workspace: Workspace) -> None:
    """What an earlier, killed run left: through its own state, then by name whatever that lacks."""
    if (workspace.folder / "Makefile").is_file():
        workspace.make("destroy")
    network = f"k3s-{workspace.stack}"
    label = f"label=io.k3s-pulumi.stack={network}"
    listed = subprocess.run(
        ["podman", "ps", "--all", "--filter", label, "--format", "{{.Names}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    for container in listed.stdout.split():
        _delete(["podman.sh", "node.sh"], {"CONTAINER": container, "NETWORK": network})
    _delete(["podman.sh", "host.sh", "network.sh"], {"NETWORK": network})


def _delete(names: list[str], variables: dict[str, str]) -> None:
    text = compose([SCRIPTS / name for name in names], variables)
    subprocess.run(["sh", "-s", "--", "delete"], input=text, text=True, check=True)


@contextmanager
def working_in(made: Workspace, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """The copy, cleared before and after, when the builds that `make up` waits for are there."""
    if os.geteuid() != 0:
        pytest.skip("node containers need root")
    for build in ("node_image", "k3s_release"):
        request.getfixturevalue(build)
    clear_away(made)
    made.refill()
    yield made
    clear_away(made)


@pytest.fixture(scope="session")
def workspace(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """The copy for the cluster that the tests share."""
    with working_in(Workspace(STACK, SETTINGS), request) as made:
        yield made


@pytest.fixture(scope="session")
def cluster(workspace: Workspace, k3s_release: K3sRelease) -> Cluster:
    """`make up` on nothing; its failure is the failure of every test here."""
    before = host.facts()
    with ArgumentWatch() as watch:
        up = workspace.make("up")
    assert up.code == 0, up.text
    return Cluster(
        workspace=workspace,
        up=up,
        outputs=workspace.outputs(),
        kubectl=Kubectl(
            k3s=k3s_release.folder / "k3s",
            kubeconfig=workspace.state / "kubeconfig" / f"{STACK}.yaml",
        ),
        arguments=frozenset(watch.seen),
        before=before,
    )
