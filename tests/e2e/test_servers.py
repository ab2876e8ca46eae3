"""Three servers behind the registration address: any one of them may go, and comes back.

The tests run in the order in which they stand.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from secrets import token_hex
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

    workspace: Workspace
    outputs: dict[str, Any]
    kubectl: Kubectl

    def members(self, on: str) -> set[str]:
        """The nodes that have a vote in etcd, as the member on node `on` knows them."""
        told = etcd(on, "cluster/member/list", {})
        # k3s names a member after its node, with some characters behind it.
        return {
            member["name"].rpartition("-")[0]
            for member in told["members"]
            if not member.get("isLearner")
        }

    def is_whole(self) -> bool:
        """Whether every member answers, and knows all three."""
        try:
            return all(self.members(on=server) == set(SERVERS) for server in SERVERS)
        except subprocess.CalledProcessError:
            return False  # it is still starting, or starts again

    def write(self, name: str) -> bool:
        """Whether a ConfigMap is taken within five seconds."""
        words = ("--request-timeout", "5s", "create", "configmap", name)
        return self.kubectl.attempt(*words).returncode == 0

    def is_ready(self, node: str) -> bool:
        return is_ready(self.kubectl.json("get", "node", node))


def inside(node: str, *words: str) -> str:
    command = ["podman", "exec", f"k3s-{node}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def etcd(on: str, path: str, request: dict[str, str]) -> Any:
    """What the member on a node answers, past the API: its gRPC gateway's JSON."""
    folder = "/var/lib/rancher/k3s/server/tls/etcd"
    files = {"--cacert": "server-ca.crt", "--cert": "client.crt", "--key": "client.key"}
    words = [word for flag, file in files.items() for word in (flag, f"{folder}/{file}")]
    url = f"https://127.0.0.1:2379/v3/{path}"
    return json.loads(
        inside(on, "curl", "-sSf", "-m", "30", *words, "-d", json.dumps(request), url)
    )


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
        yield Cluster(
            workspace, workspace.outputs(), Kubectl(k3s_release.folder / "k3s", kubeconfig)
        )


def test_three_servers_and_an_agent_are_ready_and_three_are_members(cluster: Cluster) -> None:
    nodes = cluster.kubectl.json("get", "nodes")["items"]
    assert len(nodes) == 4
    assert [node["metadata"]["name"] for node in nodes if not is_ready(node)] == []
    assert wrong_addresses(nodes, cluster.outputs["nodes"]) == []
    until(30, "three members", cluster.is_whole)


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
    # When writes were taken, in seconds: a busy machine may lose one long after there is a gap.
    began, taken, tries, in_a_row = monotonic(), [0.0], 0, 0
    # Until ten in a row were taken by what is left.
    while stopping.poll() is None or in_a_row < 10:
        sent, tries = monotonic() - began, tries + 1
        if cluster.write(f"{server}-{tries}"):
            taken.append(monotonic() - began)
            in_a_row = in_a_row + 1 if stopping.poll() is not None else 0
        else:
            in_a_row = 0
            print(f"write {tries}, sent after {sent:.1f} s, was not taken")
        assert monotonic() - began < 300
        sleep(0.5)
    gap = max(later - earlier for earlier, later in pairwise(taken))
    print(f"{server} away: for {gap:.1f} s no write was taken")
    assert stopping.returncode == 0
    assert gap <= _GAP
    assert not inside(server, "sh", "-c", "systemctl is-active k3s || :").startswith("active")

    inside(server, "systemctl", "start", "k3s")
    until(60, "three members", cluster.is_whole)
    until(60, f"{server} is Ready", lambda: cluster.is_ready(server))


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
        until(30, "ten in a row", lambda: all(cluster.write(f"{monotonic()}") for _ in range(10)))
    finally:
        subprocess.run(["podman", "unpause", f"k3s-{server}"], check=True, capture_output=True)
    until(60, "three members", cluster.is_whole)
    until(60, f"{server} is Ready", lambda: cluster.is_ready(server))


def test_a_secret_is_ciphertext_in_every_servers_datastore(cluster: Cluster) -> None:
    canary = f"canary-{token_hex(16)}"
    cluster.kubectl("create", "secret", "generic", "canary", f"--from-literal=password={canary}")
    cluster.kubectl("create", "configmap", "canary", f"--from-literal=password={canary}")
    for server in SERVERS:
        secret, plain = (
            stored(server, f"{kind}/default/canary") for kind in ("secrets", "configmaps")
        )
        assert secret.startswith(b"k8s:enc:"), secret[:40]
        assert canary.encode() not in secret
        assert canary.encode() in plain


def stored(on: str, key: str) -> bytes:
    """The value of a key of Kubernetes' as it lies in etcd."""
    encoded = base64.b64encode(f"/registry/{key}".encode()).decode()
    (found,) = etcd(on, "kv/range", {"key": encoded})["kvs"]
    return base64.b64decode(found["value"])


def test_encryption_is_not_taken_from_a_cluster_that_has_it(cluster: Cluster) -> None:
    began = inside(SERVERS[0], "systemctl", "show", "--property=ActiveEnterTimestamp", "k3s")
    version = {"version": "v1.35.6+k3s1", "disable": ["traefik", "servicelb", "metrics-server"]}
    cluster.workspace.configure(k3s=version | {"secretsEncryption": False})
    refused = cluster.workspace.make("up")
    assert refused.code != 0
    assert "k3s.secretsEncryption is false, and this cluster was made with true" in refused.text
    assert (
        inside(SERVERS[0], "systemctl", "show", "--property=ActiveEnterTimestamp", "k3s") == began
    )
    cluster.workspace.configure(k3s=version)
    again = cluster.workspace.make("up")
    assert again.code == 0, again.text


def test_another_version_goes_through_the_servers_one_at_a_time_then_to_the_agent(
    cluster: Cluster,
) -> None:
    nodes = [*SERVERS, f"{STACK}-agent-1"]
    cluster.workspace.configure(
        k3s={"version": "v1.35.5+lab", "disable": ["traefik", "servicelb", "metrics-server"]}
    )
    up = cluster.workspace.make("up")
    assert up.code == 0, up.text
    told = re.findall(r"^(?:\S+: )?(\S+): (drain|change|uncordon): (.*)", up.text, re.MULTILINE)
    steps = [
        (node, words)
        for node, _, words in told
        if words in ("is drained", "restarts k3s") or words.startswith("is Ready")
    ]
    each = ("is drained", "restarts k3s", "is Ready with v1.35.5+lab")
    assert steps == [(node, words) for node in nodes for words in each]
    found = cluster.kubectl.json("get", "nodes")["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in found} == {"v1.35.5+lab"}
    assert [n["metadata"]["name"] for n in found if n["spec"].get("unschedulable")] == []
    assert cluster.is_whole()
