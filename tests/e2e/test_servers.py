"""Three servers behind the registration address: any one of them may go, and comes back.

The tests run in the order in which they stand.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import pytest

from tests.conftest import K3sRelease
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import Kubectl, is_ready, until, wrong_addresses
from tests.e2e.workspace import Workspace

pytestmark = pytest.mark.nodes

STACK = "k3sservers"
SERVERS = [f"{STACK}-server-{number}" for number in (1, 2, 3)]
# What the API may be away for when a server goes, seconds.
_GAP = 30


@dataclass(frozen=True)
class Cluster:
    """The cluster, by way of its registration address."""

    outputs: dict[str, Any]
    kubectl: Kubectl

    def members(self, on: str) -> set[str]:
        """The nodes that have a vote in etcd, as the member on node `on` knows them."""
        folder = "/var/lib/rancher/k3s/server/tls/etcd"
        files = {"--cacert": "server-ca.crt", "--cert": "client.crt", "--key": "client.key"}
        words = [word for flag, file in files.items() for word in (flag, f"{folder}/{file}")]
        url = "https://127.0.0.1:2379/v3/cluster/member/list"
        told = json.loads(inside(on, "curl", "-s", "-m", "5", *words, "-d", "{}", url))
        # k3s names a member after its node, with some characters behind it.
        return {
            member["name"].rpartition("-")[0]
            for member in told["members"]
            if not member.get("isLearner")
        }

    def write(self, name: str) -> bool:
        """Whether a ConfigMap is taken within two seconds."""
        words = ("--request-timeout", "2s", "create", "configmap", name)
        return self.kubectl.attempt(*words).returncode == 0

    def is_ready(self, node: str) -> bool:
        return is_ready(self.kubectl.json("get", "node", node))


def inside(node: str, *words: str) -> str:
    command = ["podman", "exec", f"k3s-{node}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, k3s_release: K3sRelease) -> Iterator[Cluster]:
    settings = SETTINGS | {
        "groups": {
            "server": {"role": "server", "count": 3},
            "agent": {"role": "agent", "count": 1},
        },
        "local": {"privateCidr": "10.146.0.0/16", "publicCidr": "10.147.0.0/16"},
    }
    with working_in(Workspace(STACK, settings), request) as workspace:
        up = workspace.make("up")
        assert up.code == 0, up.text
        kubeconfig = workspace.state / "kubeconfig" / f"{STACK}.yaml"
        yield Cluster(workspace.outputs(), Kubectl(k3s_release.folder / "k3s", kubeconfig))


def test_three_servers_and_an_agent_are_ready_and_three_are_members(cluster: Cluster) -> None:
    nodes = cluster.kubectl.json("get", "nodes")["items"]
    assert len(nodes) == 4
    assert [node["metadata"]["name"] for node in nodes if not is_ready(node)] == []
    assert wrong_addresses(nodes, cluster.outputs["nodes"]) == []
    for server in SERVERS:
        assert cluster.members(on=server) == set(SERVERS)


def test_nodes_and_kubeconfig_know_no_server_but_the_registration_address(
    cluster: Cluster,
) -> None:
    servers = [node for node in cluster.outputs["nodes"] if node["role"] == "server"]
    own = [a for node in servers for side in node["addresses"].values() for a in side]
    joined = {
        inside(node, "sed", "-n", "s/^server: //p", "/etc/rancher/k3s/config.yaml").strip()
        for node in (*SERVERS, f"{STACK}-agent-1")
    }
    assert len(joined) == 1
    (url,) = joined
    assert [a for a in own if a in url or a in cluster.outputs["apiEndpoint"]] == []


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_stops_and_the_api_takes_writes_again_within_30_s(
    cluster: Cluster, server: str
) -> None:
    stopping = subprocess.Popen(["podman", "exec", f"k3s-{server}", "systemctl", "stop", "k3s"])
    began, last_failure, tries = monotonic(), 0.0, 0
    # Until ten in a row were taken by what is left.
    while stopping.poll() is None or monotonic() - began - last_failure < 10:
        sent, tries = monotonic() - began, tries + 1
        if not cluster.write(f"{server}-{tries}"):
            last_failure = monotonic() - began
            print(f"write {tries}, sent after {sent:.1f} s, was not taken")
        assert monotonic() - began < 60
        sleep(0.5)
    print(f"{server} away: the last write that failed ended after {last_failure:.1f} s")
    assert stopping.returncode == 0
    assert last_failure <= _GAP
    others = [other for other in SERVERS if other != server]
    assert not inside(server, "sh", "-c", "systemctl is-active k3s || :").startswith("active")

    inside(server, "systemctl", "start", "k3s")
    until(60, f"{server} is Ready", lambda: cluster.is_ready(server))
    for other in (server, *others):
        assert cluster.members(on=other) == set(SERVERS)


def test_a_server_that_falls_silent_is_left_out_and_taken_back(cluster: Cluster) -> None:
    """No refusal and no reset: packets to it are answered by nobody."""
    server = SERVERS[0]
    subprocess.run(["podman", "pause", f"k3s-{server}"], check=True, capture_output=True)
    try:
        began, tries = monotonic(), 0
        while not cluster.write(f"silent-{(tries := tries + 1)}"):
            assert monotonic() - began <= _GAP, f"{tries} writes, none taken"
        print(f"{server} silent: write {tries} was taken after {monotonic() - began:.1f} s")
        # By then it has been noticed: whoever asks is not sent there any more.
        until(_GAP, "ten in a row", lambda: all(cluster.write(f"{monotonic()}") for _ in range(10)))
    finally:
        subprocess.run(["podman", "unpause", f"k3s-{server}"], check=True, capture_output=True)
    until(60, f"{server} is Ready", lambda: cluster.is_ready(server))
    assert cluster.members(on=server) == set(SERVERS)
