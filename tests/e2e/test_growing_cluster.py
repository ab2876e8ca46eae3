"""A cluster grows and shrinks, and machines are made anew: who belongs to it is right each time.

The tests run in the order in which they stand.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

from tests.conftest import K3sRelease
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import Kubectl, is_ready, until
from tests.e2e.test_servers import etcd, inside
from tests.e2e.workspace import Made, Workspace

pytestmark = pytest.mark.nodes

STACK = "k3sgrow"
SERVERS = [f"{STACK}-server-{number}" for number in (1, 2, 3, 4)]
AGENTS = [f"{STACK}-agent-{number}" for number in (1, 2, 3)]
# What a node's own resources end in, beside its machine.
OWN = (
    *("-host-key", "-request", "-generation", "-prepare", "-upload-", "-install", "-registration"),
    "-leaving",
    *("-wanted", "-drain", "-change", "-uncordon", "-mend"),
)
# What knows the names of all nodes.
MEMBERS = {f"{STACK}-members", f"{STACK}-membership"}
KEPT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: kept}
spec:
  replicas: 3
  selector: {matchLabels: {app: kept}}
  template:
    metadata: {labels: {app: kept}}
    spec:
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app: kept}}
      containers:
        - name: kept
          image: docker.io/lab/http-echo:1
          imagePullPolicy: Never
---
apiVersion: v1
kind: Secret
metadata: {name: kept}
stringData: {password: kept-from-the-start}
"""


@dataclass(frozen=True)
class Grown:
    """What an `up` has changed: resources by name, in three heaps."""

    created: set[str]
    updated: set[str]
    deleted: set[str]


@dataclass
class Cluster:
    """The cluster as its user has it; `groups` are those of the last `up`."""

    workspace: Workspace
    kubectl: Kubectl
    groups: dict[str, Any]
    born: str = ""

    def up(self, *, replace: list[str] | None = None, **groups: Any) -> Grown:
        """`make up` with these groups in place of some; figures are printed."""
        before = self._resources()
        made = self.attempt(replace=replace, **groups)
        assert made.code == 0, made.text
        after = self._resources()
        grown = Grown(
            created={n for n, made in after.items() if before.get(n, ("", ""))[0] != made[0]},
            updated={n for n, made in after.items() if n in before and before[n] != made},
            deleted=before.keys() - after.keys(),
        )
        print(f"created {sorted(grown.created - before.keys())}")
        print(f"made anew {sorted(grown.created & before.keys())}")
        print(f"updated {sorted(grown.updated - grown.created)}, deleted {sorted(grown.deleted)}")
        return grown

    def attempt(self, *, replace: list[str] | None = None, **groups: Any) -> Made:
        self.groups |= groups
        self.workspace.configure(groups=self.groups, replace=replace or [])
        began = monotonic()
        made = self.workspace.make("up")
        (told,) = re.findall(r"^up (?:done|FAILED).*; [\d.]+ s$", made.text, re.MULTILINE)[-1:] or [
            made.text
        ]
        print(f"{json.dumps(groups)} {replace or ''}: {told}; {monotonic() - began:.0f} s in all")
        return made

    def _resources(self) -> dict[str, tuple[str, str]]:
        """Of each resource that is not a component: when it was made, and changed last."""
        folder = self.workspace.state / "backend" / ".pulumi" / "stacks" / "k3s"
        state = json.loads((folder / f"{STACK}.json").read_text())
        return {
            resource["urn"].rpartition("::")[2]: (resource["id"], resource.get("modified", ""))
            for resource in state["checkpoint"]["latest"]["resources"]
            if resource["custom"] and not resource["type"].startswith("pulumi:")
        }

    def nodes(self) -> set[str]:
        return {n["metadata"]["name"] for n in self.kubectl.json("get", "nodes")["items"]}

    def pods(self) -> dict[str, tuple[str, str]]:
        """Of the pods that run: the node, and when the container started."""
        items = self.kubectl.json("get", "pods", "-l", "app=kept")["items"]
        return {
            pod["metadata"]["uid"]: (
                pod["spec"]["nodeName"],
                status["state"]["running"]["startedAt"],
            )
            for pod in items
            for status in pod["status"].get("containerStatuses", ())
            if "running" in status["state"]
        }

    def moves_a_pod_to(self, node: str) -> None:
        """One of the three: no other node takes any meanwhile."""
        others = sorted(self.nodes() - {node})
        self.kubectl("cordon", *others)
        first = self.kubectl.json("get", "pods", "-l", "app=kept")["items"][0]["metadata"]["name"]
        self.kubectl("delete", "pod", first)
        until(60, "three pods run", lambda: len(self.pods()) == 3)
        self.kubectl("uncordon", *others)
        assert node in {where for where, _ in self.pods().values()}

    def holds(self, *, servers: list[str], agents: list[str]) -> None:
        """The nodes are these, the members of etcd too, and nothing was lost on the way."""
        assert self.nodes() == {*servers, *agents}
        for node in self.kubectl.json("get", "nodes")["items"]:
            assert is_ready(node), node["metadata"]["name"]
            assert not node["spec"].get("unschedulable"), node["metadata"]["name"]
        for server in servers:
            assert members(server) == ({*servers}, set()), server
        assert self.identity(servers) == self.born
        secret = self.kubectl.json("get", "secret", "kept")["data"]["password"]
        assert secret == "a2VwdC1mcm9tLXRoZS1zdGFydA=="
        until(60, "three pods run", lambda: len(self.pods()) == 3)

    def identity(self, servers: list[str]) -> str:
        """The cluster's own: its CA on each server, and the uid of its first namespace."""
        ca = "/var/lib/rancher/k3s/server/tls/server-ca.crt"
        (digest,) = {inside(server, "sha256sum", ca).split()[0] for server in servers}
        return f"{digest} {self.kubectl.json('get', 'namespace', 'kube-system')['metadata']['uid']}"


def members(on: str) -> tuple[set[str], set[str]]:
    """The nodes that have a vote in etcd, and those that only listen, as the member there knows."""
    told = etcd(on, "cluster/member/list", {})["members"]
    voters = {m["name"].rpartition("-")[0] for m in told if not m.get("isLearner")}
    return voters, {m["name"] for m in told if m.get("isLearner")}


def counted(count: int, role: str = "agent", **more: Any) -> dict[str, Any]:
    return {"role": role, "count": count, **more}


def besides(node: str, names: set[str]) -> set[str]:
    """Those of the names that are not the node's own."""
    own = tuple(f"{node}{end}" for end in OWN)
    return {name for name in names if name != node and not name.startswith(own)}


def deleted(node: str) -> None:
    """Its machine, by somebody else's hand."""
    subprocess.run(["podman", "rm", "--force", f"k3s-{node}"], check=True, capture_output=True)


def started(node: str, *units: str) -> str:
    """When units of the node's were started last."""
    return inside(node, "systemctl", "show", "--property=ActiveEnterTimestamp", *units)


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, k3s_release: K3sRelease) -> Iterator[Cluster]:
    groups = {"server": counted(1, "server"), "agent": counted(2)}
    settings = SETTINGS | {
        "groups": groups,
        "local": {"privateCidr": "10.152.0.0/16", "publicCidr": "10.153.0.0/16"},
    }
    with working_in(Workspace(STACK, settings), request) as workspace:
        kubeconfig = workspace.state / "kubeconfig" / f"{STACK}.yaml"
        made = Cluster(workspace, Kubectl(k3s_release.folder / "k3s", kubeconfig), groups)
        up = made.attempt()
        assert up.code == 0, up.text
        made.kubectl("apply", "--filename", "-", stdin=KEPT)
        until(60, "three pods run", lambda: len(made.pods()) == 3)
        made.born = made.identity(SERVERS[:1])
        yield made


def test_an_agent_that_comes_changes_nothing_but_the_list_of_nodes(cluster: Cluster) -> None:
    pods = cluster.pods()
    grown = cluster.up(agent=counted(3))
    assert besides(AGENTS[2], grown.created) == {f"{STACK}-membership"}
    assert (grown.updated - grown.created, grown.deleted) == ({f"{STACK}-members"}, set())
    assert cluster.pods() == pods
    cluster.holds(servers=SERVERS[:1], agents=AGENTS)


def test_an_agent_taken_out_of_the_middle_is_drained_and_the_others_are_left_alone(
    cluster: Cluster,
) -> None:
    """Its pods go elsewhere; those of the other nodes are the same, and were not restarted."""
    cluster.moves_a_pod_to(AGENTS[1])
    pods = cluster.pods()
    untouched = [started(node, "k3s-agent") for node in (AGENTS[0], AGENTS[2])]
    grown = cluster.up(agent={"role": "agent", "nodes": ["1", "3"]})
    assert besides(AGENTS[1], grown.deleted) == set()
    assert grown.created | grown.updated == MEMBERS
    cluster.holds(servers=SERVERS[:1], agents=[AGENTS[0], AGENTS[2]])
    elsewhere = {uid: pod for uid, pod in pods.items() if pod[0] != AGENTS[1]}
    assert elsewhere.items() <= cluster.pods().items()
    assert [started(node, "k3s-agent") for node in (AGENTS[0], AGENTS[2])] == untouched


def test_a_label_is_changed_in_place(cluster: Cluster) -> None:
    agents = [AGENTS[0], AGENTS[2]]
    pods, untouched = cluster.pods(), [started(node, "k3s-agent") for node in agents]
    labels = {"tests.example/disk": "slow"}
    grown = cluster.up(agent={"role": "agent", "nodes": ["1", "3"], "labels": labels})
    steps = {f"{node}-{step}" for node in agents for step in ("install", "registration")}
    assert (grown.created, grown.updated, grown.deleted) == (set(), steps, set())
    for node in agents:
        told = cluster.kubectl.json("get", "node", node)["metadata"]["labels"]
        assert told["tests.example/disk"] == "slow"
    assert cluster.pods() == pods
    assert [started(node, "k3s-agent") for node in agents] == untouched


def test_one_server_becomes_three_and_one_again(cluster: Cluster) -> None:
    cluster.up(server=counted(3, "server"), agent=counted(1))
    cluster.holds(servers=SERVERS[:3], agents=AGENTS[:1])
    cluster.up(server=counted(1, "server"))
    cluster.holds(servers=SERVERS[:1], agents=AGENTS[:1])


@pytest.mark.long
def test_the_first_server_is_made_anew_while_an_agent_leaves(cluster: Cluster) -> None:
    """The agent's own way out led through that server."""
    cluster.up(server=counted(3, "server"), agent=counted(2))
    cluster.holds(servers=SERVERS[:3], agents=AGENTS[:2])
    machine = inside(SERVERS[0], "cat", "/etc/machine-id", "/etc/rancher/node/password")
    cluster.up(replace=SERVERS[:1], agent=counted(1))
    assert inside(SERVERS[0], "cat", "/etc/machine-id", "/etc/rancher/node/password") != machine
    cluster.holds(servers=SERVERS[:3], agents=AGENTS[:1])


@pytest.mark.long
def test_a_server_whose_machine_was_deleted_is_made_anew(cluster: Cluster) -> None:
    deleted(SERVERS[1])
    cluster.up(replace=SERVERS[1:2])
    cluster.holds(servers=SERVERS[:3], agents=AGENTS[:1])


@pytest.mark.long
def test_the_first_server_goes_and_a_fourth_comes(cluster: Cluster) -> None:
    """Its machine has gone before: it cannot be asked to leave."""
    deleted(SERVERS[0])
    cluster.up(server={"role": "server", "nodes": ["2", "3", "4"]})
    cluster.holds(servers=SERVERS[1:], agents=AGENTS[:1])


@pytest.mark.long
def test_quorum_is_not_given_up(cluster: Cluster) -> None:
    """With two of three stopped nobody may leave; with one, that one may, but nobody else."""
    for server in SERVERS[2:]:
        inside(server, "systemctl", "stop", "k3s")
    fewer = {"role": "server", "nodes": ["2"]}
    refused = cluster.attempt(server=fewer)
    assert refused.code != 0
    assert "of 3 members of etcd 1 answer, 2 are needed, 1 are missing" in refused.text
    for server in SERVERS[2:]:
        inside(server, "systemctl", "start", "k3s")
    for server in SERVERS[1:]:
        until(120, f"{server} is back", lambda server=server: is_whole(server))
    cluster.up(server=fewer)
    cluster.holds(servers=SERVERS[1:2], agents=AGENTS[:1])


def is_whole(server: str) -> bool:
    """Whether the member there answers, and knows the other two."""
    try:
        return members(server) == ({*SERVERS[1:]}, set())
    except subprocess.CalledProcessError:
        return False  # it starts
