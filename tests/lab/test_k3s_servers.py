"""Three servers of the lab's k3s on real nodes: what they share, and how members come and go.

The tests run in the order in which they stand: node 1 begins the cluster, nodes 2 and 3 join it.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import K3sRelease
from tests.e2e.kubernetes import until
from tests.lab.k3s_nodes import DATA, K3sNodes
from tests.lab.node_stack import NodeStack, succeeded

pytestmark = pytest.mark.nodes

TOKEN, CANARY = "server-secret", "canary-in-plain-text"
COMMON: Mapping[str, Any] = {
    "token": TOKEN,
    "secrets-encryption": True,
    "kube-apiserver-arg": ["anonymous-auth=false"],
}
ALL = (1, 2, 3)


@pytest.fixture(scope="module")
def nodes(node_image: str, k3s_release: K3sRelease) -> Iterator[K3sNodes]:
    """Three nodes; what an earlier killed run left is taken away first."""
    stack = NodeStack(node_image, network="k3slab-servers", private="10.98.6", public="10.98.7")
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    made = K3sNodes(stack, k3s_release.folder)

    def create(number: int) -> None:
        succeeded(stack.node("create", number))
        made.prepare(number)

    with ThreadPoolExecutor() as together:
        list(together.map(create, ALL))
        yield made
        list(together.map(lambda number: succeeded(stack.node("delete", number)), ALL))
    succeeded(stack.networks("delete"))


def configure(nodes: K3sNodes, number: int, config: Mapping[str, Any]) -> None:
    nodes.configure(
        number, {**COMMON, "advertise-address": nodes.stack.private_ip(number), **config}
    )


def joining(nodes: K3sNodes, via: int) -> Mapping[str, Any]:
    return {"server": f"https://{nodes.stack.private_ip(via)}:6443"}


def systemctl(nodes: K3sNodes, number: int, word: str) -> None:
    nodes.stack.inside(number, "systemctl", *word.split(), "k3s")


def status_code(nodes: K3sNodes, url: str) -> str:
    """What a caller without any certificate or token is answered on node 1."""
    words = ("-sk", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", url)
    return nodes.stack.inside(1, "curl", *words)


def writes(nodes: K3sNodes, on: int, name: str) -> bool:
    """Whether a server's API takes a ConfigMap within 20 s."""
    command = f"timeout 20 k3s kubectl create configmap {name} >/dev/null 2>&1 && echo written || :"
    return nodes.stack.inside(on, "sh", "-c", command) == "written"


def test_the_first_server_answers_nobody_who_is_not_known(nodes: K3sNodes) -> None:
    configure(nodes, 1, {"cluster-init": True})
    nodes.install(1, "server")
    nodes.wait_ready(1)
    for path in ("readyz", "version", "api"):
        assert status_code(nodes, f"https://127.0.0.1:6443/{path}") == "401", path
    assert status_code(nodes, "https://127.0.0.1:10250/pods") == "401"
    assert status_code(nodes, "https://127.0.0.1:6443/ping") == "200"  # what health checks ask
    assert nodes.stack.inside(1, "stat", "-c", "%a", "/etc/rancher/k3s/k3s.yaml") == "600"


def test_a_secret_is_ciphertext_in_the_datastore(nodes: K3sNodes) -> None:
    for kind in ("secret generic", "configmap"):
        nodes.kubectl("create", *kind.split(), "canary", f"--from-literal=word={CANARY}")
    assert CANARY.encode() in nodes.stored("/registry/configmaps/default/canary")
    secret = nodes.stored("/registry/secrets/default/canary")
    assert secret.startswith(b"k8s:enc:aescbc:v1:aescbckey:")
    assert CANARY.encode() not in secret
    files = f"grep -rlaF {CANARY} {DATA}/server/db/etcd | wc -l"
    assert nodes.stack.inside(1, "sh", "-c", files) != "0"  # the ConfigMap's
    nodes.kubectl("delete", "configmap", "canary")
    status = nodes.stack.inside(1, "k3s", "secrets-encrypt", "status")
    assert status.splitlines()[:3] == [
        "Encryption Status: Enabled",
        "Current Rotation Stage: start",
        "Server Encryption Hashes: All hashes match",
    ]
    assert status.splitlines()[-1].split() == ["*", "AES-CBC", "aescbckey"]
    modes = nodes.stack.inside(1, "sh", "-c", f"stat -c %a {DATA}/server/cred/encryption-*")
    assert modes.split() == ["600", "600"]


def test_encryption_is_neither_left_out_by_others_nor_turned_off(nodes: K3sNodes) -> None:
    configure(nodes, 2, {**joining(nodes, 1), "secrets-encryption": False})
    nodes.refused(2, "server", "critical configuration value mismatch between servers")
    assert set(nodes.members()) == {"node-1"}
    configure(nodes, 1, {"secrets-encryption": False})
    systemctl(nodes, 1, "stop")
    nodes.refused(1, "server", "Secrets of this cluster are encrypted")
    configure(nodes, 1, joining(nodes, 2))
    systemctl(nodes, 1, "start")


def test_two_more_servers_join_and_read_the_same_secrets(nodes: K3sNodes) -> None:
    for number in (2, 3):
        configure(nodes, number, joining(nodes, 1))
        nodes.install(number, "server")
        nodes.wait_ready(number)
    path = "jsonpath={.data.word}"
    read = {nodes.kubectl("get", "secret", "canary", "-o", path, on=number) for number in ALL}
    assert len(read) == 1
    for number in ALL:
        assert set(nodes.members(on=number)) == {"node-1", "node-2", "node-3"}
    status = nodes.stack.inside(3, "k3s", "secrets-encrypt", "status")
    assert "All hashes match" in status


def without(nodes: K3sNodes, stopped: int) -> list[int]:
    """Stops a server; gives the others, when each has taken a write and lists three members."""
    systemctl(nodes, stopped, "stop")
    others = [number for number in ALL if number != stopped]
    for other in others:
        name = f"without-{stopped}-on-{other}"
        until(30, f"node {other} writes", lambda on=other, name=name: writes(nodes, on, name))
        assert set(nodes.members(on=other)) == {"node-1", "node-2", "node-3"}
    return others


def test_the_first_server_may_stop_and_come_back(nodes: K3sNodes) -> None:
    other = without(nodes, 1)[0]
    systemctl(nodes, 1, "start")
    assert nodes.kubectl("get", "configmap", f"without-1-on-{other}")


def test_a_member_that_is_asked_to_leave_joins_again_as_a_new_one(nodes: K3sNodes) -> None:
    """Asked while its server is down: it learns of it from the others at its start."""
    former = nodes.members()["node-3"]
    without(nodes, 3)
    nodes.kubectl("annotate", "node", "node-3", "etcd.k3s.cattle.io/remove=true")
    until(30, "the member is gone", lambda: set(nodes.members()) == {"node-1", "node-2"})
    systemctl(nodes, 3, "start --no-block")
    until(120, "node 3 is a member again", lambda: "node-3" in nodes.members())
    assert nodes.members()["node-3"] != former
    words = "tombstone file has been detected, removing ${datadir}/server/db to rejoin the cluster"
    assert words in nodes.journal(3, "k3s")

    def annotated() -> bool:
        annotations = nodes.node(3)["metadata"]["annotations"]
        told = (annotations.get(f"etcd.k3s.cattle.io/{word}") for word in ("node-name", "remove"))
        return tuple(told) == (nodes.members()["node-3"], "false")

    until(60, "its Node names the new member", annotated)
    nodes.wait_ready(3)


def test_a_deleted_node_stays_until_its_member_can_go(nodes: K3sNodes) -> None:
    """Two of three members run: without node 3's there would be no quorum."""
    configure(nodes, 3, {})
    systemctl(nodes, 2, "stop")
    nodes.kubectl("delete", "node", "node-3", "--wait=false")
    held = "Node node-3: removing its etcd member, will try again: "
    until(30, "node 1 says why", lambda: held in nodes.journal(1, "k3s"))
    assert "deletionTimestamp" in nodes.node(3)["metadata"]
    assert "node-3" in nodes.members()

    systemctl(nodes, 2, "start")
    until(60, "the Node is gone", lambda: "node/node-3" not in nodes.node_names())
    assert set(nodes.members()) == set(nodes.members(on=2)) == {"node-1", "node-2"}
    refused = "tombstone file has been detected but --server is empty"
    until(30, "node 3 begins no cluster", lambda: refused in nodes.journal(3, "k3s"))


def test_a_new_machine_of_the_same_name_takes_the_place_of_one_that_is_gone(
    nodes: K3sNodes,
) -> None:
    systemctl(nodes, 3, "stop")
    nodes.stack.inside(3, "k3s-killall.sh")
    nodes.stack.inside(
        3, "rm", "-r", f"{DATA}/server", f"{DATA}/agent/etc", "/etc/rancher/node/password"
    )
    configure(nodes, 3, joining(nodes, 2))
    other = {"peerURLs": [f"https://{nodes.stack.private}.99:2380"], "isLearner": True}
    learner = nodes.etcd("cluster/member/add", other)["member"]["ID"]
    systemctl(nodes, 3, "start --no-block")
    waits = "Waiting for other members to finish joining etcd cluster"
    until(30, "node 3 waits for another's join", lambda: waits in nodes.journal(3, "k3s"))
    nodes.etcd("cluster/member/remove", {"ID": learner})
    nodes.wait_ready(3)
    assert set(nodes.members()) == {"node-1", "node-2", "node-3"}
    assert nodes.kubectl("get", "secret", "canary", "-o", "name", on=3) == "secret/canary"
