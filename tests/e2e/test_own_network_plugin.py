"""Nodes without flannel: taken in before there is a network, Ready in a plugin's, and kept in it.

The tests run in the order in which they stand, on one cluster that grows, by the lab's charts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import K3sRelease
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import Kubectl, is_ready
from tests.e2e.test_addons import counts
from tests.e2e.workspace import Made, Workspace

pytestmark = pytest.mark.nodes

STACK = "k3sowncni"
K3S = {"version": "v1.35.6+k3s1", "disable": ["servicelb"]}
SERVER = {"server": {"role": "server", "count": 1, "labels": {"tests.example/a": "b"}}}
CALICO = {"plugin": "calico"}
METALLB = {"pools": {"main": {"addresses": ["10.128.255.200-10.128.255.250"]}}}


@dataclass(frozen=True)
class Cluster:
    """A cluster without a network of k3s's own."""

    workspace: Workspace
    kubectl: Kubectl

    def up(self, **changes: object) -> Made:
        """`make up` with settings in place of some."""
        self.workspace.configure(**changes)
        return self.workspace.make("up", CHARTS="lab")

    def nodes(self) -> dict[str, bool]:
        """Whether each is Ready, by name."""
        items = self.kubectl.json("get", "nodes")["items"]
        return {node["metadata"]["name"]: is_ready(node) for node in items}


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, k3s_release: K3sRelease) -> Iterator[Cluster]:
    settings = SETTINGS | {
        "groups": SERVER,
        "k3s": K3S | {"flannelBackend": "none"},
        "local": {"privateCidr": "10.127.0.0/16", "publicCidr": "10.128.0.0/16"},
    }
    with working_in(Workspace(STACK, settings), request) as workspace:
        kubeconfig = workspace.state / "kubeconfig" / f"{STACK}.yaml"
        yield Cluster(workspace, Kubectl(k3s_release.folder / "k3s", kubeconfig))


def test_up_does_not_wait_for_a_network_plugin_that_comes_after_it(cluster: Cluster) -> None:
    up = cluster.up()
    assert up.code == 0, up.text
    (node,) = cluster.kubectl.json("get", "nodes")["items"]
    assert not is_ready(node)
    assert node["metadata"]["labels"]["tests.example/a"] == "b"


def test_nodes_are_ready_in_the_add_ons_network_before_anything_else_is_installed(
    cluster: Cluster,
) -> None:
    addons = {"cni": CALICO, "metallb": METALLB}
    up = cluster.up(groups=SERVER | agents("1"), k3s=K3S, addons=addons)
    print(up.text)
    assert up.code == 0, up.text
    assert cluster.nodes() == {f"{STACK}-server-1": True, f"{STACK}-agent-1": True}
    assert place(up, "create", "nodes-ready done") < place(up, "create", "metallb-system-namespace")
    installation = cluster.kubectl.json("get", "installation/default")
    (pool,) = installation["spec"]["calicoNetwork"]["ipPools"]
    assert (pool["cidr"], pool["encapsulation"]) == ("10.42.0.0/16", "VXLAN")


def test_a_second_up_changes_nothing(cluster: Cluster) -> None:
    again = cluster.up()
    assert (again.code, counts(again)) == (0, {}), again.text


def test_a_node_more_is_waited_for_until_it_is_ready(cluster: Cluster) -> None:
    more = cluster.up(groups=SERVER | agents("1", "2"))
    assert more.code == 0, more.text
    assert cluster.nodes()[f"{STACK}-agent-2"]
    # The list of nodes, and the wait for all that are on it.
    assert counts(more)["updated"] == 2, more.text
    registered = place(more, "create", "agent-2-registration done")
    assert registered < place(more, "update", "nodes-ready done")


OTHER_NETWORKS: list[tuple[dict[str, Any], str]] = [
    (
        {"cni": {"plugin": "cilium"}, "metallb": METALLB},
        "this cluster's pods are connected by calico — those that run would be cut off",
    ),
    (
        {"cni": {"plugin": "cilium", "kubeProxyReplacement": True}},
        "this cluster's pods are connected by calico, beside which kube-proxy serves Services",
    ),
    ({}, "this cluster's pods are connected by a network plugin, not by flannel"),
]


def test_another_network_under_pods_that_run_is_refused_before_anything_is_changed(
    cluster: Cluster,
) -> None:
    pods = ["get", "pods", "--all-namespaces", "--output", "wide"]
    before = cluster.kubectl("get", "pods", "--all-namespaces", "--output", "name")
    for addons, said in OTHER_NETWORKS:
        refused = cluster.up(addons=addons)
        assert refused.code != 0
        assert said in refused.text
        assert all(cluster.nodes().values())
        after = cluster.kubectl("get", "pods", "--all-namespaces", "--output", "name")
        assert after == before, cluster.kubectl(*pods)
    again = cluster.up(addons={"cni": CALICO, "metallb": METALLB})
    assert again.code == 0, again.text
    assert set(counts(again)) <= {"updated", "replaced"}, again.text
    # What was asked in between, and is asked no more, has numbers of its own.
    anew = set(re.findall(r"create-replacement +\S+ (\S+)", again.text))
    assert {name for name in anew if not name.endswith("-wanted")} == set(), again.text


def agents(*names: str) -> dict[str, Any]:
    return {"agent": {"role": "agent", "nodes": list(names)}}


def place(made: Made, what: str, words: str) -> int:
    """Where in an up's progress it is told of a resource, by the end of its name."""
    found = re.search(rf"{what} +\S+ {STACK}-{words}", made.text)
    assert found, f"{what} {words} is not in: {made.text}"
    return found.start()
