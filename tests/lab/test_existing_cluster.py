"""A cluster of hosts that nothing of the stack made: they join, leave, and are as they were.

The whole program under the lab's engine, with its plugins and the lab's k3s. The tests run in the
order in which they stand: the last one takes the cluster away.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import CLONE, K3sRelease
from tests.e2e.kubernetes import is_ready, until
from tests.engine.workspace import Workspace
from tests.lab import host_listing
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
# The lab's IPv6, beside the addresses that nodes have anyway: of RFC 4193.
_IPV6 = "fd98:5:0"


# One of each kind that a cluster could leave.
_LEFTOVERS = """
mkdir -p /etc/rancher/node && echo secret >/etc/rancher/node/password
echo 10.9.0.7 k3s.example >>/etc/hosts
chmod 600 /usr/bin/tac
cat >/etc/systemd/system/left.service <<'END'
[Service]
ExecStart=/bin/sleep inf
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload && systemctl enable --now --quiet left
mount -t tmpfs left /mnt
ip link add left0 type bridge
ip address add 10.99.0.1/32 dev left0
ip rule add from 10.99.0.0/24 lookup 99
ip route add blackhole 10.99.1.0/24
nft add table inet left
iptables -N LEFT && iptables -A INPUT -p tcp --dport 9 -j LEFT
ip6tables -A INPUT -p tcp --dport 9 -j DROP
socat TCP-LISTEN:9999,fork EXEC:cat </dev/null >/dev/null 2>&1 &
mkdir -p /root/left/DEBIAN
cat >/root/left/DEBIAN/control <<'END'
Package: left
Version: 1
Architecture: all
Maintainer: nobody
Description: left
END
dpkg-deb --build /root/left /root/left.deb >/dev/null && dpkg --install /root/left.deb >/dev/null
until ss -Hltn sport = :9999 | grep -q .; do sleep 0.1; done
"""
_SHOWN = (
    "file f 644 root:root /etc/rancher/node/password",
    "file f 600 root:root /usr/bin/tac",
    "content ",
    "unit left.service enabled",
    "unit left.service",
    "mount / /mnt ",
    "interface left0",
    "interface left0 inet 10.99.0.1/32",
    "rule 32765:	from 10.99.0.0/24",
    "rule blackhole 10.99.1.0/24",
    "rule inet left table inet left",
    "rule ip filter 	chain LEFT",
    "rule ip filter 		tcp dport 9",
    "rule ip6 filter 		tcp dport 9",
    "listening tcp 0.0.0.0:9999",
    "package ii  left 1",
)


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
            args = ["max-pods=77"]
            groups["agent"] = {"role": "agent", "nodes": list(agents), "kubeletArgs": args}
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
        """Barn is reached over IPv6 alone, through a jump host that is, too."""
        jump = {"address": ipv6(SHED), "hostKey": _KEYS[SHED].public}
        barn = {**self.host(BARN), "address": ipv6(BARN), "zone": "barn", "jump": jump}
        return {"shed": self.host(SHED), "barn": barn, "porch": self.host(PORCH)}

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
        left = sorted(self.look(number) ^ self.before[number])
        assert left == [], "\n".join(left)
        return True

    def look(self, number: int) -> set[str]:
        return host_listing.look(lambda script: self.stack.inside(number, "sh", "-ec", script))

    def start(self, number: int) -> None:
        """A fresh host with its key and its addresses, as whoever owns it has set it up."""
        key = _KEYS[number]
        succeeded(self.stack.node("create", number, HOST_KEY=key.private, HOST_KEY_PUB=key.public))
        card = self.stack.inside(
            number, "ip", "-oneline", "address", "show", "to", self.stack.public_ip(number)
        ).split()[1]
        self.stack.inside(number, "sysctl", "-qw", f"net.ipv6.conf.{card}.disable_ipv6=0")
        add = ("ip", "-6", "address", "add", f"{ipv6(number)}/64", "dev", card, "nodad")
        self.stack.inside(number, *add)

    def nodes(self) -> dict[str, Any]:
        items = json.loads(self.kubectl("get nodes --output json"))["items"]
        return {node["metadata"]["name"]: node for node in items}

    def node_passwords(self) -> set[str]:
        """What the cluster keeps of nodes' passwords."""
        secrets = self.kubectl("get secrets --namespace kube-system --output name").splitlines()
        return {name.rpartition("/")[2] for name in secrets if "node-password" in name}

    def kubectl(self, words: str) -> str:
        # Its cache where that of the steps is.
        cache = "KUBECACHEDIR=/run/k3s-pulumi/kube-cache"
        return self.stack.inside(SHED, "env", cache, "k3s", "kubectl", *shlex.split(words))

    def answers(self, source: int, port: int, host: int = SHED) -> bool:
        """Whether node `source` can connect to a port of a host, at either address."""
        found = []
        for address in (self.stack.private_ip(host), self.stack.public_ip(host)):
            ask = f"timeout 60 socat /dev/null TCP:{address}:{port},connect-timeout=2 && echo yes"
            found.append(self.stack.inside(source, "sh", "-c", f"{ask} 2>/dev/null || true") != "")
        return any(found)


def ipv6(number: int) -> str:
    return f"{_IPV6}::{10 + number}"


@pytest.fixture(scope="module")
def home(
    node_image: str, k3s_release: K3sRelease, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    stack = NodeStack(node_image, network="k3slab-home", private="10.98.4", public="10.98.5")
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    workspace.write_program(PROGRAM)
    made = Home(stack, workspace, k3s_release, {})
    for number in _KEYS:
        made.start(number)
    # This machine's own, on the bridge that came with the first of them.
    bridge = stack.run(
        "ip", "-oneline", "address", "show", "to", f"{stack.public}.1"
    ).stdout.split()[1]
    stack.run("ip", "-6", "address", "add", f"{_IPV6}::1/64", "dev", bridge, "nodad")
    made.before.update({number: made.look(number) for number in (SHED, BARN, PORCH)})
    yield made
    for number in _KEYS:
        succeeded(stack.node("delete", number))
    succeeded(stack.networks("delete"))


def test_hosts_become_a_cluster_one_of_them_through_a_jump_host(home: Home) -> None:
    home.up("barn")
    nodes = home.nodes()
    assert set(nodes) == {"dev-server-shed", "dev-agent-barn"}
    assert all(map(is_ready, nodes.values()))
    assert nodes["dev-agent-barn"]["status"]["capacity"]["pods"] == "77"
    barn = json.dumps(nodes["dev-agent-barn"])
    assert '"topology.kubernetes.io/zone": "barn"' in barn
    assert home.stack.private_ip(BARN) in barn
    described = {node["name"]: node for node in home.workspace.outputs()["nodes"]}
    assert described["dev-agent-barn"]["ssh"] == (f"ssh -J root@[{ipv6(SHED)}] root@{ipv6(BARN)}")


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
    _KEYS[BARN] = KeyPair.fresh()
    home.start(BARN)
    home.stack.run("ip", "neighbour", "flush", "to", home.stack.public_ip(BARN))
    home.stack.inside(SHED, "ip", "neighbour", "flush", "all")
    home.before[BARN] = home.look(BARN)
    home.up("barn")
    assert is_ready(home.nodes()["dev-agent-barn"])


def test_a_host_that_is_taken_out_leaves_the_cluster_and_is_as_it_was(home: Home) -> None:
    both = {f"dev-{name}.node-password.k3s" for name in ("server-shed", "agent-barn")}
    assert home.node_passwords() == both
    assert home.stack.inside(BARN, "ls", "/etc/rancher/node") == "password"
    home.up()
    assert set(home.nodes()) == {"dev-server-shed"}
    assert home.node_passwords() == {"dev-server-shed.node-password.k3s"}
    # The kernel takes links and mounts apart some time after they were given up.
    until(10, "barn is as it was", lambda: home.is_as_it_was(BARN))
    assert not home.answers(BARN, 10250)


def test_with_the_cluster_the_last_host_is_let_go_of_too(home: Home) -> None:
    home.play("destroy")
    assert home.workspace.resources() == []
    for host in (SHED, PORCH):
        until(10, f"node {host} is as it was", lambda host=host: home.is_as_it_was(host))


def test_the_listing_shows_each_kind_of_what_could_be_left(home: Home) -> None:
    before = home.look(STRANGER)
    home.stack.inside(STRANGER, "sh", "-ec", _LEFTOVERS)
    found = home.look(STRANGER) ^ before
    for line in _SHOWN:
        assert any(shown.startswith(line) for shown in found), f"{line} in {sorted(found)}"
