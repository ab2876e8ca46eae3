"""Three servers and two agents while their version and options change: what is noticed outside.

The tests run in the order in which they stand.
"""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import K3sRelease
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import Kubectl, is_ready, until
from tests.e2e.probes import Api, Probe, overlaps, probing, serves
from tests.e2e.test_killed_run import engines_of
from tests.e2e.workspace import Made, Workspace

pytestmark = [pytest.mark.nodes, pytest.mark.long]

STACK = "k3sroll"
SERVERS = [f"{STACK}-server-{number}" for number in (1, 2, 3)]
AGENTS = [f"{STACK}-agent-{number}" for number in (1, 2)]
K3S: dict[str, Any] = {"disable": ["traefik", "servicelb", "metrics-server"]}
# The lab's version is a link flag: others cost seconds.
FIRST, SECOND, THIRD = "v1.35.4+lab", "v1.35.5+lab", "v1.35.6+lab"
MANIFEST = Path(__file__).with_name("rolling.yaml")
# What may be noticed of a change, seconds and a share of all requests.
_GAP, _LOST = 30, 0.01


@dataclass
class Cluster:
    """The cluster, and the version that it has by now."""

    workspace: Workspace
    kubectl: Kubectl
    addresses: dict[str, str]
    version: str = FIRST

    def up(self, version: str | None = None, **k3s: Any) -> Made:
        self.configure(version, **k3s)
        return self.workspace.make("up")

    def configure(self, version: str | None = None, **k3s: Any) -> None:
        self.version = version or self.version
        self.workspace.configure(k3s={"version": self.version, **K3S, **k3s})

    def nodes(self) -> list[Any]:
        found: list[Any] = self.kubectl.json("get", "nodes")["items"]
        return found

    def serves(self, node: str) -> bool:
        try:
            return serves(self.addresses[node], 30080)
        except OSError:
            return False

    def probes(self) -> list[Probe]:
        """The API by its registration address, the Service on each node in turn, each server."""
        api = Api(self.workspace.state / "kubeconfig" / f"{STACK}.yaml")
        hosts = list(self.addresses.values())

        def server(name: str) -> Probe:
            return Probe(name, lambda _: api.answers("/readyz", self.addresses[name]))

        return [
            Probe("the API", lambda _: api.answers("/api/v1/namespaces/default")),
            Probe("the Service", lambda number: serves(hosts[number % len(hosts)], 30080)),
            *(server(name) for name in SERVERS),
        ]

    def assert_as_it_should_be(self) -> None:
        nodes = self.nodes()
        assert {n["metadata"]["name"] for n in nodes if is_ready(n)} == {*SERVERS, *AGENTS}
        assert {n["status"]["nodeInfo"]["kubeletVersion"] for n in nodes} == {self.version}
        assert [n["metadata"]["name"] for n in nodes if n["spec"].get("unschedulable")] == []
        noted = [n for n in nodes if "k3s-pulumi/drained" in n["metadata"]["annotations"]]
        assert noted == []


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, k3s_release: K3sRelease) -> Iterator[Cluster]:
    settings = SETTINGS | {
        "groups": {
            "server": {"role": "server", "count": len(SERVERS)},
            "agent": {"role": "agent", "count": len(AGENTS)},
        },
        "k3s": {"version": FIRST, **K3S},
        "local": {"privateCidr": "10.150.0.0/16", "publicCidr": "10.151.0.0/16"},
    }
    with working_in(Workspace(STACK, settings), request) as workspace:
        up = workspace.make("up")
        assert up.code == 0, up.text
        kubeconfig = workspace.state / "kubeconfig" / f"{STACK}.yaml"
        kubectl = Kubectl(k3s_release.folder / "k3s", kubeconfig)
        nodes = workspace.outputs()["nodes"]
        addresses = {node["name"]: node["addresses"]["public"][0] for node in nodes}
        made = Cluster(workspace, kubectl, addresses)
        kubectl("apply", "--filename", str(MANIFEST))
        kubectl("rollout", "status", "deployment/rolling", "--timeout", "120s")
        until(30, "the Service on every node", lambda: all(map(made.serves, addresses)))
        yield made


def told(made: Made, step: str, words: str) -> list[str]:
    """The nodes of which a step said the words, in that order; what failed says it again."""
    found = re.findall(rf"^(?:\S+: )?(\S+): {step}: {words}", made.text, re.MULTILINE)
    return list(dict.fromkeys(found))


def figures(what: str, probes: list[Probe]) -> None:
    api, service, *servers = probes
    print(f"{what}: {len(api.asked)} s of questions once a second")
    print(f"  the API's longest gap {api.longest_gap():.1f} s, {api.lost()} not answered")
    print(f"  the Service: {service.lost()} of {len(service.asked)} requests lost")
    for server in servers:
        print(f"  {server.name} away {[f'{end - start:.1f} s' for start, end in server.away()]}")
    assert overlaps(servers) == []
    assert api.longest_gap() <= _GAP
    assert service.lost() <= _LOST * len(service.asked)


def test_a_servers_option_goes_through_one_at_a_time_and_drains_nobody(cluster: Cluster) -> None:
    probes = cluster.probes()
    with probing(probes):
        up = cluster.up(tlsSan=["api.example"])
    assert up.code == 0, up.text
    assert told(up, "change", "restarts k3s") == SERVERS
    assert told(up, "drain", "keeps its pods") == SERVERS
    cluster.assert_as_it_should_be()
    figures("an option of the servers", probes)


def test_an_upgrade_goes_through_servers_then_agents_each_drained_and_opened_again(
    cluster: Cluster,
) -> None:
    probes = cluster.probes()
    with probing(probes):
        up = cluster.up(SECOND, tlsSan=["api.example"])
    assert up.code == 0, up.text
    assert told(up, "change", "restarts k3s") == [*SERVERS, *AGENTS]
    assert told(up, "drain", "is drained") == [*SERVERS, *AGENTS]
    assert told(up, "uncordon", "takes pods again") == [*SERVERS, *AGENTS]
    cluster.assert_as_it_should_be()
    figures("an upgrade of all nodes", probes)


def test_a_change_that_a_node_refuses_stops_the_rest_and_is_taken_back(cluster: Cluster) -> None:
    before = cluster.up(tlsSan=["api.example"])
    assert before.code == 0, before.text
    wrong = cluster.up(tlsSan=["api.example"], kubeletArgs=["no-such-flag=1"])
    assert wrong.code != 0
    assert told(wrong, "change", "restarts k3s") == SERVERS[:1]
    # The journal's last words.
    assert "kubelet ended" in wrong.text
    assert re.search(rf"{SERVERS[0]}: change: k3s (does not start|runs, and its kub)", wrong.text)

    back = cluster.up(tlsSan=["api.example"])
    assert back.code == 0, back.text
    assert told(back, "mend", "k3s does not run") == SERVERS[:1]
    assert told(back, "change", "restarts k3s") == []
    cluster.assert_as_it_should_be()


def test_an_upgrade_that_is_killed_half_way_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    cluster.configure(THIRD, tlsSan=["api.example"])
    up = cluster.workspace.start("up", log, ENGINE="lab")
    restarts = f"{SERVERS[1]}: change: restarts k3s"

    def comes() -> bool:
        assert up.poll() is None, log.read_text()
        return restarts in log.read_text()

    until(400, "the second server's turn", comes)
    (engine,) = engines_of(cluster.workspace)
    os.kill(engine, signal.SIGKILL)
    assert up.wait(60) != 0

    again = cluster.workspace.make("up", ENGINE="lab")
    assert again.code == 0, again.text
    assert f"{SERVERS[1]}-change, interrupted while updating" in again.text
    # What is done stays as it is.
    assert SERVERS[0] not in told(again, "change", "restarts k3s")
    assert told(again, "change", "restarts k3s")[-2:] == AGENTS
    cluster.assert_as_it_should_be()
