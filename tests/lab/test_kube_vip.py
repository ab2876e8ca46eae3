"""kube-vip's objects on a real API server, put there and taken away as on an existing server.

Its image is not to be had here: that one server has the address, and another takes it over, is
what no test of the lab shows.
"""

import subprocess
import time
from collections.abc import Iterator

import pytest

from components.platforms.existing.kube_vip import SCRIPTS, KubeVip, manifest
from components.scripts import compose
from tests.lab.kubernetes_cluster import Cluster
from tests.lab.node_stack import NodeStack, refused, succeeded

pytestmark = pytest.mark.nodes

ACCOUNT = "system:serviceaccount:kube-system:kube-vip"
FILE = "/var/lib/rancher/k3s/server/manifests/k3s-pulumi-kube-vip.yaml"
# k3s looks into the folder every 15 s.
_SECONDS = 90


class Server:
    """The cluster's one server, as a host that exists."""

    def __init__(self, cluster: Cluster) -> None:
        self.stack: NodeStack = cluster.nodes.stack
        name = self.stack.inside(1, "hostname")
        self.claim = f"lab {name}"
        private = self.stack.private_ip(1)
        show = ("ip", "-oneline", "address", "show", "to", private)
        self.card = self.stack.inside(1, *show).split()[1]
        self.free = private.rpartition(".")[0] + ".200"
        turn = {"STEP": "kube-vip", "TURN_SECONDS": "10"}
        self.variables = {"NODE": name, "CLUSTER": "lab", "GENERATION": "", **turn}

    def run(self, action: str, address: str, card: str) -> "subprocess.CompletedProcess[str]":
        """The script's run, as root."""
        given = KubeVip.model_validate({"address": address, "interface": card})
        values = {"ADDRESS": address, "INTERFACE": card, "MANIFEST": manifest(given)}
        return subprocess.run(
            ["podman", "exec", "--interactive", self.stack.container(1), "sh", "-s", "--", action],
            input=compose(SCRIPTS, {**self.variables, **values}),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Server]:
    made = Server(cluster)
    claim = f"mkdir -p /etc/k3s-pulumi && echo {made.claim} >/etc/k3s-pulumi/node"
    made.stack.inside(1, "sh", "-ec", claim)
    yield made
    made.stack.inside(1, "rm", "-rf", "/etc/k3s-pulumi", FILE)


def daemon_set(cluster: Cluster) -> "dict[str, int] | None":
    found = cluster.get("daemonset", "kube-vip", "--namespace", "kube-system")
    return found["status"] if found else None


def can(cluster: Cluster, verb: str, what: str) -> bool:
    ask = ("auth", "can-i", verb, what, "--as", ACCOUNT, "--namespace", "kube-system")
    done = subprocess.run(
        ["podman", "exec", cluster.nodes.stack.container(1), "k3s", "kubectl", *ask],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() == "yes"


def test_k3s_takes_its_objects_and_runs_it_on_the_server(cluster: Cluster, server: Server) -> None:
    succeeded(server.run("create", server.free, server.card))
    deadline = time.monotonic() + _SECONDS
    while (daemon_set(cluster) or {}).get("desiredNumberScheduled") != 1:
        assert time.monotonic() < deadline, daemon_set(cluster)
        time.sleep(0.5)
    assert can(cluster, "update", "leases.coordination.k8s.io")
    assert not can(cluster, "list", "secrets")
    note = server.stack.inside(1, "cat", "/etc/k3s-pulumi/kube-vip")
    assert note == f"{server.free} {server.card}"

    # A server that goes on in its cluster without it takes it out.
    succeeded(server.run("delete", server.free, server.card))
    assert daemon_set(cluster) is None
    assert not can(cluster, "update", "leases.coordination.k8s.io")
    assert server.stack.inside(1, "sh", "-c", f"ls {FILE} 2>/dev/null || true") == ""


def test_a_server_that_has_left_takes_nothing_from_those_that_stay(
    cluster: Cluster, server: Server
) -> None:
    server.stack.inside(1, "sh", "-ec", f"printf '{_SHARED}' >{FILE}")
    deadline = time.monotonic() + _SECONDS
    while cluster.get("configmap", "shared", "--namespace", "kube-system") is None:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    server.variables["NODE"] = "node-that-left"
    succeeded(server.run("delete", server.free, server.card))
    assert cluster.get("configmap", "shared", "--namespace", "kube-system") is not None
    assert server.stack.inside(1, "sh", "-c", f"ls {FILE} 2>/dev/null || true") == ""


# In the place of kube-vip's own.
_SHARED = (
    "apiVersion: v1\\nkind: ConfigMap\\n"
    "metadata: {name: shared, namespace: kube-system}\\ndata: {a: b}\\n"
)


def test_an_address_that_nobody_would_find_is_refused(server: Server) -> None:
    told = refused(server.run("create", server.free, "eth9"))
    assert f"no network card eth9 — kube-vip has {server.free} there — write the name" in told
    told = refused(server.run("create", "192.0.2.9", server.card))
    assert f"192.0.2.9 is not of a network that {server.card} is in — nobody would find" in told
    assert server.stack.inside(1, "sh", "-c", f"ls {FILE} 2>/dev/null || true") == ""
