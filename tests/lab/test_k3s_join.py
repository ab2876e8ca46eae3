"""Joining a cluster of the lab's k3s, rightly and wrongly, on real nodes.

The tests run in the order in which they stand: nodes 1 and 2 are a server and an agent, node 3
tries what must fail, and becomes a second server in the end.
"""

import hashlib
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import K3sRelease
from tests.e2e.kubernetes import until
from tests.lab.k3s_nodes import K3sNodes
from tests.lab.node_stack import NodeStack, succeeded

pytestmark = pytest.mark.nodes

SECRET, AGENT_SECRET = "server-secret", "agent-secret"
ENCRYPTED = {"secrets-encryption": True, "secrets-encryption-provider": "secretbox"}
TLS = "/var/lib/rancher/k3s/server"


@pytest.fixture(scope="module")
def nodes(node_image: str, k3s_release: K3sRelease) -> Iterator[K3sNodes]:
    """Three nodes; what an earlier killed run left is taken away first."""
    stack = NodeStack(node_image, network="k3slab-test", private="10.98.12", public="10.98.13")
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    made = K3sNodes(stack, k3s_release.folder)
    for number in (1, 2, 3):
        succeeded(stack.node("create", number))
        made.prepare(number)
    yield made
    for number in (1, 2, 3):
        succeeded(stack.node("delete", number))
    succeeded(stack.networks("delete"))


def full_token(nodes: K3sNodes, user: str, secret: str) -> str:
    ca = nodes.stack.podman(
        "exec", nodes.stack.container(1), "sha256sum", f"{TLS}/tls/server-ca.crt"
    )
    return f"K10{ca.split()[0]}::{user}:{secret}"


def test_the_first_server_writes_tokens_and_kubeconfig_as_k3s_does(nodes: K3sNodes) -> None:
    nodes.configure(
        1,
        {
            "cluster-init": True,
            "token": SECRET,
            "agent-token": AGENT_SECRET,
            "advertise-address": nodes.stack.private_ip(1),
            **ENCRYPTED,
        },
    )
    nodes.install(1, "server")
    for file, user, secret in (
        ("token", "server", SECRET),
        ("node-token", "server", SECRET),
        ("agent-token", "node", AGENT_SECRET),
    ):
        assert nodes.stack.inside(1, "cat", f"{TLS}/{file}") == full_token(nodes, user, secret)
    modes = nodes.stack.inside(
        1,
        "stat",
        "-Lc",
        "%a",
        f"{TLS}/node-token",
        f"{TLS}/agent-token",
        "/etc/rancher/k3s/k3s.yaml",
    )
    assert modes.split() == ["600"] * 3
    kubeconfig = yaml.safe_load(nodes.stack.inside(1, "cat", "/etc/rancher/k3s/k3s.yaml"))
    assert kubeconfig["current-context"] == "default"
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_an_agent_joins_with_the_agent_token_and_has_both_addresses(nodes: K3sNodes) -> None:
    config = {"server": nodes.server, "token": full_token(nodes, "node", AGENT_SECRET)}
    first = {"node-label": ["first=yes"], "node-taint": ["first=yes:PreferNoSchedule"]}
    nodes.configure(2, {**config, **first})
    nodes.install(2, "agent")
    for number in (1, 2):
        nodes.wait_ready(number)

    def addresses() -> bool:
        found = [(a["type"], a["address"]) for a in nodes.node(2)["status"]["addresses"]]
        return found == [
            ("InternalIP", nodes.stack.private_ip(2)),
            ("ExternalIP", nodes.stack.public_ip(2)),
            ("Hostname", "node-2"),
        ]

    until(30, "node 2 has the addresses that it asked for", addresses)
    node = nodes.node(2)
    assert node["metadata"]["labels"]["first"] == "yes"
    assert {"key": "first", "value": "yes", "effect": "PreferNoSchedule"} in node["spec"]["taints"]
    assert node["spec"]["providerID"] == "k3s://node-2"


def test_the_password_of_a_node_is_stored_as_secretboxs_ciphertext(nodes: K3sNodes) -> None:
    stored = nodes.stored("/registry/secrets/kube-system/node-2.node-password.k3s")
    assert stored.startswith(b"k8s:enc:secretbox:v1:secretboxkey:")
    status = nodes.stack.inside(1, "k3s", "secrets-encrypt", "status")
    assert status.splitlines()[-1].split() == ["*", "XSalsa20-POLY1305", "secretboxkey"]


def test_labels_and_taints_are_those_of_the_first_registration(nodes: K3sNodes) -> None:
    config = {"server": nodes.server, "token": full_token(nodes, "node", AGENT_SECRET)}
    nodes.configure(
        2, {**config, "node-label": ["second=yes"], "node-taint": ["second=yes:NoSchedule"]}
    )
    nodes.stack.inside(2, "systemctl", "restart", "k3s-agent")
    nodes.wait_ready(2)
    node = nodes.node(2)
    assert "second" not in node["metadata"]["labels"]
    # The lifecycle controller's own taint is still there for a moment after a restart.
    taints = [taint["key"] for taint in node["spec"]["taints"]]
    assert [key for key in taints if not key.startswith("node.kubernetes.io/")] == ["first"]


def test_a_wrong_token_is_not_authorized_and_no_node_comes_of_it(nodes: K3sNodes) -> None:
    nodes.configure(3, {"server": nodes.server, "token": full_token(nodes, "node", "wrong")})
    nodes.refused(3, "agent", "not authorized (401 Unauthorized)")
    assert nodes.node_names() == {"node/node-1", "node/node-2"}


def test_another_clusters_ca_is_refused_by_the_joiner(nodes: K3sNodes) -> None:
    other = hashlib.sha256(b"another cluster").hexdigest()
    right = full_token(nodes, "node", AGENT_SECRET)[3:67]
    nodes.configure(3, {"server": nodes.server, "token": f"K10{other}::node:{AGENT_SECRET}"})
    words = f"token CA hash does not match the Cluster CA certificate hash: {other} != {right}"
    nodes.refused(3, "agent", words)


def test_the_agent_token_joins_no_server(nodes: K3sNodes) -> None:
    nodes.configure(3, {"server": nodes.server, "token": full_token(nodes, "server", AGENT_SECRET)})
    nodes.refused(3, "server", "not authorized (401 Unauthorized)")
    assert nodes.stack.inside(3, "sh", "-c", f"ls {TLS} 2>/dev/null || true") == ""


def test_a_name_in_use_is_rejected_until_its_node_is_deleted(nodes: K3sNodes) -> None:
    config = {"server": nodes.server, "token": full_token(nodes, "node", AGENT_SECRET)}
    nodes.configure(3, {**config, "node-name": "node-2"})
    nodes.refused(3, "agent", "Node password rejected, duplicate hostname or contents of")
    nodes.stack.inside(2, "systemctl", "stop", "k3s-agent")
    nodes.kubectl("delete", "node", "node-2")

    def forgotten() -> bool:
        secrets = nodes.kubectl("get", "secrets", "--namespace", "kube-system", "-o", "name")
        return "secret/node-2.node-password.k3s" not in secrets

    until(30, "the password of the deleted node is gone", forgotten)
    unit = nodes.run(3, "agent")
    nodes.wait_ready(2)
    assert nodes.node(2)["status"]["addresses"][0]["address"] == nodes.stack.private_ip(3)
    nodes.stop(3, unit)


def test_a_second_server_joins_etcd_and_leaves_it_with_its_node(nodes: K3sNodes) -> None:
    token = full_token(nodes, "server", SECRET)
    config = {"token": token, "agent-token": AGENT_SECRET, **ENCRYPTED}
    nodes.configure(3, {"server": nodes.server, **config})
    nodes.install(3, "server")
    nodes.wait_ready(3, on=3)
    labels = nodes.node(3)["metadata"]["labels"]
    assert {"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/etcd"} <= set(labels)
    assert nodes.stack.inside(3, "cat", f"{TLS}/token") == token
    assert set(nodes.members()) == {"node-1", "node-3"}

    nodes.configure(3, config)
    nodes.stack.inside(3, "systemctl", "restart", "k3s")
    nodes.kubectl("delete", "node", "node-3", "--timeout=300s")
    assert set(nodes.members()) == {"node-1"}
    refused = "tombstone file has been detected but --server is empty"
    until(30, "node 3 does not begin a cluster", lambda: refused in nodes.journal(3, "k3s"))
    nodes.stack.inside(3, "systemctl", "stop", "k3s")
    assert nodes.kubectl("get", "--raw", "/readyz") == "ok"


def test_the_only_servers_node_can_be_deleted(nodes: K3sNodes) -> None:
    nodes.kubectl("delete", "node", "node-1", "--timeout=300s")
    assert "node/node-1" not in nodes.node_names()
    assert set(nodes.members()) == {"node-1"}


def test_killall_and_uninstall_leave_nothing_of_k3s_on_a_node(nodes: K3sNodes) -> None:
    nodes.stack.inside(1, "k3s-uninstall.sh")
    looks = {
        "process": "pgrep -a 'k3s|containerd|coredns|pause' || true",
        "mount": "grep -e /run/k3s -e /var/lib/kubelet/ /proc/self/mounts || true",
        "link": "ip -o link show | grep -e cni0 -e flannel -e veth || true",
        "rule": "iptables-save | grep -e KUBE- -e FLANNEL || true",
        "file": "ls /usr/local/bin /etc/systemd/system/*k3s* 2>/dev/null || true",
        "data": "ls -A /var/lib/rancher/k3s /var/lib/kubelet /etc/rancher/k3s 2>/dev/null || true",
    }

    def nothing_is_left() -> bool:
        """The kernel takes its time for processes that were killed, and what was theirs."""
        left = {name: nodes.stack.inside(1, "sh", "-c", look) for name, look in looks.items()}
        links = left.pop("link").splitlines()
        assert [line for line in links if "eth0" not in line and "eth1" not in line] == []
        assert left.pop("data").strip() in ("", "/var/lib/kubelet:")
        assert left == {"process": "", "mount": "", "rule": "", "file": "/usr/local/bin:"}
        return True

    until(20, "nothing is left", nothing_is_left)
