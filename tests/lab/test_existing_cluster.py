"""A cluster of hosts that nothing of the stack made: they join, leave, and are as they were.

The whole program under the lab's engine, with its plugins and the lab's k3s. The tests run in the
order in which they stand: the last one takes the cluster away.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import CLONE, K3sRelease
from tests.e2e.kubernetes import is_ready, until
from tests.engine.workspace import Workspace
from tests.lab.node_stack import KeyPair, NodeStack, succeeded

pytestmark = pytest.mark.nodes

PROGRAM = """
import json
import pulumi
from components.cluster import K3sCluster
from stacks.settings import parse

settings = parse("dev", json.loads(pulumi.Config().require("settings")))
given = pulumi.Config("k3s").get_secret("operatorKey")
cluster = K3sCluster("dev", settings=settings, operator_key=given)
pulumi.export("nodes", cluster.nodes)
pulumi.export("apiEndpoint", cluster.api_endpoint)
"""
SHED, BARN, STRANGER, PORCH = 1, 2, 3, 4
_KEYS = {number: KeyPair.fresh() for number in (SHED, BARN, STRANGER, PORCH)}
# What the page of existing hosts says that is left: the cache of kubectl, and an empty folder of
# containerd's, which may be another containerd's as well.
_LEFT = ("/root/.kube", "/opt/containerd")
_LOOK = """
find /etc /usr /opt /root /home /srv -xdev | sort
find /var/lib -xdev -maxdepth 2 -not -path '/var/lib/systemd*' | sort
systemctl list-unit-files --no-legend | sort
systemctl list-units --no-legend --plain --state=failed | sort
mount | grep -v '^overlay on /var/lib/containerd' | sort
ip -brief link | cut -d ' ' -f 1 | sort
ip -4 route show table main | sort
nft list tables inet
iptables-save | grep -e KUBE- -e CNI- -e FLANNEL || true
"""


@dataclass(frozen=True)
class Home:
    """The hosts, and the project that makes a cluster of them."""

    stack: NodeStack
    workspace: Workspace
    release: K3sRelease
    before: dict[int, set[str]]

    def settings(self, *agents: str) -> str:
        """Settings of a cluster with the server shed, some agents, and porch before the server."""
        groups: dict[str, object] = {"server": {"role": "server", "nodes": ["shed"]}}
        if agents:
            groups["agent"] = {"role": "agent", "nodes": list(agents)}
        artifacts = {"from": "folder", "folder": str(self.release.folder)}
        settings = {
            "groups": groups,
            "k3s": {"version": self.release.version, "artifacts": artifacts},
            # The machine that the tests run on.
            "access": {"api": [f"{self.stack.public}.1/32"]},
            "existing": {"hosts": self.hosts(), "registration": {"host": "porch"}},
        }
        texts = {key: json.dumps(value) for key, value in settings.items()}
        return json.dumps({"platform": "existing", **texts})

    def hosts(self) -> dict[str, object]:
        shed, barn = self.host(SHED), self.host(BARN)
        jump = {key: shed[key] for key in ("address", "hostKey")}
        porch = self.host(PORCH)
        return {"shed": shed, "barn": {**barn, "zone": "barn", "jump": jump}, "porch": porch}

    def host(self, number: int) -> dict[str, str]:
        return {
            "address": self.stack.public_ip(number),
            "privateAddress": self.stack.private_ip(number),
            "hostKey": _KEYS[number].public,
        }

    def up(self, *agents: str) -> str:
        """Bring the cluster to these agents; gives what was said."""
        self.workspace.configure(
            {
                "scenario:settings": self.settings(*agents),
                "k3s:operatorKey": {"secret": self.stack.operator_key.private},
            }
        )
        return self.play("up")

    def play(self, what: str) -> str:
        done = self.workspace.lab(what, PYTHONPATH=str(CLONE))
        assert done.code == 0, done.said
        return done.said

    def is_as_it_was(self, number: int) -> bool:
        """Whether a host is; what is not is told."""
        left = sorted(look(self.stack, number) ^ self.before[number])
        assert left == [], "\n".join(left)
        return True

    def nodes(self) -> dict[str, object]:
        kubectl = shlex.split("k3s kubectl get nodes --output json")
        items = json.loads(self.stack.inside(SHED, *kubectl))["items"]
        return {node["metadata"]["name"]: node for node in items}

    def answers(self, source: int, port: int, host: int = SHED) -> bool:
        """Whether node `source` can connect to a port of a host, at either address."""
        found = []
        for address in (self.stack.private_ip(host), self.stack.public_ip(host)):
            ask = f"timeout 60 socat /dev/null TCP:{address}:{port},connect-timeout=2 && echo yes"
            found.append(self.stack.inside(source, "sh", "-c", f"{ask} 2>/dev/null || true") != "")
        return any(found)


def look(stack: NodeStack, number: int) -> set[str]:
    """A listing of a host: files, units, mounts, links, routes and rules."""
    lines = stack.inside(number, "sh", "-ec", _LOOK).splitlines()
    return {line for line in lines if not line.startswith(_LEFT)}


@pytest.fixture(scope="module")
def home(
    node_image: str, k3s_release: K3sRelease, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    stack = NodeStack(node_image, network="k3slab-home", private="10.98.4", public="10.98.5")
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    for number, key in _KEYS.items():
        host_key = {"HOST_KEY": key.private, "HOST_KEY_PUB": key.public}
        succeeded(stack.node("create", number, **host_key))
    folder: Path = tmp_path_factory.mktemp("home")
    workspace = Workspace(folder)
    workspace.write_program(PROGRAM)
    before = {number: look(stack, number) for number in (SHED, BARN, PORCH)}
    yield Home(stack, workspace, k3s_release, before)
    for number in _KEYS:
        succeeded(stack.node("delete", number))
    succeeded(stack.networks("delete"))


def test_hosts_become_a_cluster_one_of_them_through_a_jump_host(home: Home) -> None:
    home.up("barn")
    nodes = home.nodes()
    assert set(nodes) == {"dev-server-shed", "dev-agent-barn"}
    assert all(map(is_ready, nodes.values()))
    barn = json.dumps(nodes["dev-agent-barn"])
    assert '"topology.kubernetes.io/zone": "barn"' in barn
    assert home.stack.private_ip(BARN) in barn
    described = {node["name"]: node for node in home.workspace.outputs()["nodes"]}
    assert described["dev-agent-barn"]["ssh"] == (
        f"ssh -J root@{home.stack.public_ip(SHED)} root@{home.stack.public_ip(BARN)}"
    )


def test_their_ports_are_open_to_each_other_alone(home: Home) -> None:
    assert [home.answers(BARN, port) for port in (6443, 10250)] == [True, True]
    assert [home.answers(STRANGER, port) for port in (6443, 10250, 2379)] == [False] * 3
    assert home.answers(STRANGER, 22)
    assert [home.answers(node, 6443, PORCH) for node in (BARN, STRANGER)] == [True, False]
    assert not home.answers(PORCH, 10250)
    # kubectl's way in, from this machine.
    endpoint = home.workspace.outputs()["apiEndpoint"]
    assert endpoint == f"https://{home.stack.public_ip(PORCH)}:6443"
    said = home.stack.run("curl", "--insecure", "--silent", f"{endpoint}/ping").stdout
    assert said


def test_a_second_up_changes_nothing(home: Home) -> None:
    done = home.workspace.lab("preview", PYTHONPATH=str(CLONE))
    assert (done.code, done.operations) == (0, {}), done.said


def test_an_agent_that_was_installed_anew_is_a_node_again_by_its_new_host_key(home: Home) -> None:
    succeeded(home.stack.node("delete", BARN))
    new = _KEYS[BARN] = KeyPair.fresh()
    succeeded(home.stack.node("create", BARN, HOST_KEY=new.private, HOST_KEY_PUB=new.public))
    home.stack.run("ip", "neighbour", "flush", "to", home.stack.public_ip(BARN))
    home.stack.inside(SHED, "ip", "neighbour", "flush", "all")
    home.before[BARN] = look(home.stack, BARN)
    home.up("barn")
    assert is_ready(home.nodes()["dev-agent-barn"])


def test_a_host_that_is_taken_out_leaves_the_cluster_and_is_as_it_was(home: Home) -> None:
    home.up()
    assert set(home.nodes()) == {"dev-server-shed"}
    # The kernel takes links and mounts apart some time after they were given up.
    until(10, "barn is as it was", lambda: home.is_as_it_was(BARN))
    assert not home.answers(BARN, 10250)


def test_with_the_cluster_the_last_host_is_let_go_of_too(home: Home) -> None:
    home.play("destroy")
    assert home.workspace.resources() == []
    for host in (SHED, PORCH):
        until(10, f"node {host} is as it was", lambda host=host: home.is_as_it_was(host))
