"""What platform existing does on a host: closed ports, everything else as before, and its end."""

from collections.abc import Iterator

import pytest

from components.platforms.existing.nftables import Admission
from tests.lab.existing_host import REMOTE, TABLE, ExistingNode, restart, until
from tests.lab.node_stack import NodeStack, succeeded
from tests.lab.plugin_host import Plugin, error_of

pytestmark = pytest.mark.nodes

# What an owner may have: a firewall of his own, and a web server published by Docker.
_OWNERS = """
nft -f - <<'END'
table inet theirs {
    chain input {
        type filter hook input priority filter;
        tcp dport 81 drop
    }
}
END
"""
# How long rules stay that nobody keeps: long enough to look at them.
_TRIAL_SECONDS = 8
_CLOCKS = "systemctl list-units --all --no-legend 'take-back-*'"
# A pod behind cni0 and a container behind another bridge, and ports published for each.
_PUBLISHED = """
sysctl -qw net.ipv4.ip_forward=1
add() {
    ip link add $1 type bridge
    ip address add $2.1/24 dev $1
    ip link set $1 up
    ip netns add ns-$1
    ip link add veth-$1 type veth peer name eth0 netns ns-$1
    ip link set veth-$1 master $1 up
    ip netns exec ns-$1 ip address add $2.2/24 dev eth0
    ip netns exec ns-$1 ip link set eth0 up
    ip netns exec ns-$1 ip route add default via $2.1
}
add cni0 10.42.7
add docker0 10.99.7
nft -f - <<'END'
table ip kube {
    chain services {
        type nat hook prerouting priority dstnat;
        fib daddr type local tcp dport 80 dnat to 10.42.7.2:80
        fib daddr type local tcp dport 30080 dnat to 10.42.7.2:30080
        fib daddr type local tcp dport 8081 dnat to 10.99.7.2:8081
        ip daddr 198.51.100.9 tcp dport 80 dnat to 10.42.7.2:80
    }
}
END
"""


@pytest.fixture(scope="module")
def stack(node_image: str) -> Iterator[NodeStack]:
    made = NodeStack(node_image, network="k3slab-existing", private="10.98.0", public="10.98.1")
    succeeded(made.networks("delete"))
    succeeded(made.networks("create"))
    for number in (2, 3):
        succeeded(made.node("create", number))
    yield made
    for number in (2, 3):
        succeeded(made.node("delete", number))
    succeeded(made.networks("delete"))


@pytest.fixture
def host(stack: NodeStack, command: Plugin) -> Iterator[ExistingNode]:
    """A fresh host for each test."""
    succeeded(stack.node("create", 1))
    made = ExistingNode(stack, command, 1)
    made.forget_its_predecessor()
    yield made
    succeeded(stack.node("delete", 1))


@pytest.fixture
def peer(stack: NodeStack, command: Plugin) -> ExistingNode:
    return ExistingNode(stack, command, 2)


@pytest.fixture
def stranger(stack: NodeStack, command: Plugin) -> ExistingNode:
    return ExistingNode(stack, command, 3)


def from_(peer: ExistingNode, ports: str, name: str = "api") -> Admission:
    address = peer.stack.public_ip(peer.number)
    return Admission(name=name, protocol="tcp", ports=ports, sources=(address,))


def lets_in(host: ExistingNode, peer: ExistingNode) -> bool:
    """Whether a new connection over SSH is answered."""
    target = f"TCP:{host.stack.public_ip(host.number)}:22,connect-timeout=2,readbytes=4"
    return peer.run(f"timeout 60 socat -u {target} - 2>/dev/null || true") == "SSH-"


def test_k3s_ports_are_open_to_peers_alone_and_all_others_as_before(
    host: ExistingNode, peer: ExistingNode, stranger: ExistingNode
) -> None:
    host.run(_OWNERS)
    host.listen(81, 6443, 8080, 9100, 10250)
    assert host.answers(stranger, 10250)
    owners = host.run("nft list table inet theirs")

    host.admit(from_(peer, "6443"), from_(peer, "10250", "kubelet"))
    assert [host.answers(peer, port) for port in (6443, 10250, 9100)] == [True, True, False]
    assert [host.answers(stranger, port) for port in (6443, 10250, 9100)] == [False] * 3
    assert host.answers(stranger, 8080)
    assert not host.answers(peer, 81)
    assert host.run("nft list table inet theirs") == owners
    # Another session over SSH, from where nothing was admitted.
    assert (
        host.plugin.make(
            "command:remote:Command", {"connection": host.connection(), "create": "echo in"}
        )["stdout"]
        == "in"
    )
    assert stranger.stack.banner(3, host.stack.public_ip(1)) == "SSH-"


def test_vxlan_of_strangers_is_dropped(
    host: ExistingNode, peer: ExistingNode, stranger: ExistingNode
) -> None:
    vxlan = Admission(
        name="vxlan", protocol="udp", ports="8472", sources=(peer.stack.private_ip(2),)
    )
    host.admit(vxlan)
    host.run("systemd-run --quiet --unit listen-udp socat -u UDP-RECV:8472 OPEN:/got,creat,append")
    until_listening = "until ss -Hlun sport = :8472 | grep -q .; do sleep 0.05; done"
    host.run(f"timeout 60 sh -c '{until_listening}'")
    for sender, said in ((stranger, "no"), (peer, "yes")):
        sender.run(f"echo {said} | socat -u - UDP:{host.stack.private_ip(1)}:8472")
    host.run("timeout 60 sh -c 'until grep -q yes /got; do sleep 0.05; done'")
    assert host.run("cat /got") == "yes"


def test_what_is_published_into_pods_is_open_only_to_those_let_in(
    host: ExistingNode, stranger: ExistingNode
) -> None:
    host.run(_PUBLISHED)
    host.listen(80, 30080, prefix="ip netns exec ns-cni0")
    host.listen(8081, prefix="ip netns exec ns-docker0")
    stranger.run(f"ip route replace 198.51.100.9 via {host.stack.public_ip(1)}")
    until(lambda: all(host.answers(stranger, port) for port in (80, 30080, 8081)))

    host.admit()
    assert [host.answers(stranger, port) for port in (80, 30080)] == [False, False]
    assert host.answers(stranger, 8081)
    # An address of a Service's own, as MetalLB announces it, is not the host's to close.
    asked = "timeout 60 socat -u TCP:198.51.100.9:80,connect-timeout=20 - || true"
    assert stranger.run(asked) == "80"

    everybody = Admission(name="http", protocol="tcp", ports="80", sources=("0.0.0.0/0",))
    host.admit(everybody)
    assert [host.answers(stranger, port) for port in (80, 30080)] == [True, False]


def test_the_table_is_there_after_a_restart_and_after_the_owner_loads_his_own_rules(
    host: ExistingNode, peer: ExistingNode
) -> None:
    host.admit(from_(peer, "6443"))
    # Without the set of the host's addresses, which fills as they are asked for.
    rules = f"for chain in input forward published; do nft list chain inet {TABLE} $chain; done"
    before = host.run(rules)
    restart(host)
    assert host.run(rules) == before
    # Debian's file begins with an order to forget all rules.
    for action in ("start", "restart", "reload"):
        host.run(f"systemctl {action} nftables")
        assert host.run(rules) == before


def test_rules_that_close_ssh_go_by_themselves_and_the_kept_ones_come_back(
    host: ExistingNode, peer: ExistingNode
) -> None:
    admitted = [from_(peer, "6443")]
    closed = f"insert rule inet {TABLE} input tcp dport 22 ct state new drop\n"
    table = f"nft list chain inet {TABLE} input 2>/dev/null || echo none"
    # None were kept yet, and none are left.
    host.plugin.make(REMOTE, host.inputs(trial=_TRIAL_SECONDS, rules=closed))
    assert not lets_in(host, peer)
    until(lambda: host.run(table) == "none")
    assert lets_in(host, peer)
    assert host.run("ls /etc/k3s-pulumi").split() == ["generation", "node"]
    assert host.run("ls /etc/systemd/system | grep firewall || true") == ""

    state = host.admit(*admitted)
    kept = host.run(table)
    host.plugin.make(REMOTE, host.inputs(admitted, trial=_TRIAL_SECONDS, rules=closed))
    assert not lets_in(host, peer)
    until(lambda: host.run(table) == kept)
    assert lets_in(host, peer)
    host.let_go(state)
    assert host.run(_CLOCKS) == ""


def test_rules_on_trial_are_not_those_of_a_host_that_starts_anew(
    host: ExistingNode, peer: ExistingNode
) -> None:
    host.admit(from_(peer, "6443"))
    table = f"nft list chain inet {TABLE} input"
    kept = host.run(table)
    wider = [from_(peer, "6443"), from_(peer, "9100", "node-exporter")]
    host.plugin.make(REMOTE, host.inputs(wider))
    assert host.run(table) != kept
    restart(host)
    assert host.run(table) == kept
    # Nobody knows whether those on trial would let this connection in, until they are in force.
    assert "run up again within 180 s" in error_of(lambda: host.keep(wider))
    assert host.run(table) != kept
    host.keep(wider)
    restart(host)
    assert host.run(table) != kept


def test_who_comes_too_late_is_told_and_finds_the_rules_on_trial_once_more(
    host: ExistingNode,
) -> None:
    table = f"nft list tables inet | grep {TABLE} || echo none"
    host.plugin.make(REMOTE, host.inputs(trial=1))
    until(lambda: host.run(table) == "none")
    told = error_of(lambda: host.keep(trial=60))
    assert "nobody came back over SSH within 60 s of the firewall's change" in told
    assert TABLE in host.run(table)
    host.keep(trial=60)
    assert host.run(_CLOCKS) == ""
    assert host.run(f"systemctl is-enabled firewall-{TABLE}") == "enabled"
    # A run that was killed before it could write down that they are kept.
    host.keep(trial=60)


def test_a_host_that_is_let_go_of_is_as_it_was(host: ExistingNode, peer: ExistingNode) -> None:
    host.run(_OWNERS)
    listing = "find /etc /usr/local /var/lib/k3s-artifacts -xdev 2>/dev/null | sort; "
    look = listing + (
        "nft list ruleset; systemctl list-unit-files --no-legend; ip -4 -oneline address"
    )
    host.run("mkdir /etc/multipath")
    before = host.run(look)
    state = host.admit(from_(peer, "6443"))
    assert host.run(look) != before
    # As k3s's installer leaves it: an uninstaller that runs while the ports are still closed.
    host.run(
        "mkdir -p /var/lib/k3s-artifacts/v1 /etc/rancher/node /etc/multipath/conf.d\n"
        # As kube-vip leaves it, when its pod is killed.
        "ip address add 10.98.0.200/32 dev eth0; echo 10.98.0.200 eth0 >/etc/k3s-pulumi/kube-vip\n"
        # As features.sh leaves it on a machine that is no container.
        "touch /etc/modules-load.d/k3s-iscsi.conf /etc/multipath/conf.d/k3s-iscsi.conf\n"
        f"printf '#!/bin/sh\\nnft list table inet {TABLE} >/dev/null && rm \"$0\"\\n' "
        ">/usr/local/bin/k3s-agent-uninstall.sh\n"
        "chmod +x /usr/local/bin/k3s-agent-uninstall.sh"
    )
    host.let_go(state)
    assert host.run(look) == before
    host.let_go(state)
    assert host.run(look) == before


def test_a_host_is_cleaned_once_when_another_generation_is_asked_for(host: ExistingNode) -> None:
    here = "test -e /usr/local/bin/k3s-uninstall.sh && echo here || echo gone"
    installed = (
        "printf '#!/bin/sh\\nrm \"$0\"\\n' >/usr/local/bin/k3s-uninstall.sh\n"
        "chmod +x /usr/local/bin/k3s-uninstall.sh; mkdir -p /etc/rancher/node"
    )
    clean = host.clean({}, "first")
    host.run(installed)
    # Nobody's yet: what is there is its owner's.
    clean = host.clean(clean, "another")
    assert host.run(here) == "here"
    host.run("rm /usr/local/bin/k3s-uninstall.sh")

    host.plugin.make(REMOTE, host.inputs(generation="first"))
    host.run(installed)
    clean = host.clean(clean, "first")
    assert host.run(here) == "here"
    clean = host.clean(clean, "second")
    assert host.run(here) == "gone"
    assert host.run("ls -d /etc/rancher 2>/dev/null || true") == ""
    assert TABLE in host.ruleset()

    # It has joined anew, and the script runs again for another reason.
    host.plugin.make(REMOTE, host.inputs(generation="second"))
    host.run(installed)
    host.clean(clean, "second")
    assert host.run(here) == "here"


def test_what_a_network_plugin_left_goes_with_its_host_and_nothing_else_does(
    host: ExistingNode,
) -> None:
    rules = "iptables-save | sed -e '/^#/d' -e 's/ [[].*//'"
    look = f"ip -brief link; {rules}; ls /etc/cni/net.d /opt/cni/bin"
    host.run("iptables -N OWN; iptables -A OWN -p tcp --dport 8 -j ACCEPT; iptables -N KEPT")
    before = host.run(look)
    state = host.admit()
    host.run(
        "ip link add cilium_host type veth peer name cilium_net\n"
        "ip link add vxlan.calico type vxlan id 4096 dstport 4789\n"
        "iptables -N CILIUM_INPUT; iptables -N cali-INPUT\n"
        "iptables -A INPUT -j CILIUM_INPUT; iptables -A INPUT -j cali-INPUT\n"
        "touch /etc/cni/net.d/10-calico.conflist /opt/cni/bin/cilium-cni"
    )
    host.let_go(state)
    assert host.run(look) == before


def test_an_uninstaller_that_fails_is_told_and_the_ports_stay_closed(host: ExistingNode) -> None:
    state = host.admit()
    host.run(
        "printf '#!/bin/sh\\necho cannot unmount; exit 3\\n' >/usr/local/bin/k3s-uninstall.sh\n"
        "chmod +x /usr/local/bin/k3s-uninstall.sh"
    )
    told = error_of(lambda: host.let_go(state))
    assert "cannot unmount" in told
    assert "lab-home-shed: host: k3s-uninstall.sh failed" in told
    assert TABLE in host.ruleset()


def test_a_host_is_one_node_of_one_cluster(host: ExistingNode) -> None:
    state = host.admit()
    second = host.inputs(node="lab-other-shed")
    told = error_of(lambda: host.plugin.make("command:remote:Command", second))
    assert "this host is node 'lab-home-shed' of cluster 'lab' — a host is one node — " in told
    # Its end, should it come later, must not be the end of the first one.
    host.plugin.delete("command:remote:Command", {**second, "stdout": "", "stderr": ""})
    assert TABLE in host.ruleset()
    host.let_go(state)
    assert TABLE not in host.ruleset()


def test_a_k3s_that_somebody_else_installed_is_left_alone(host: ExistingNode) -> None:
    host.run("touch /etc/systemd/system/k3s.service")
    told = error_of(lambda: host.admit())
    assert "k3s is installed on this host, and not by this stack" in told
    assert host.ruleset() == ""


def test_a_host_without_nft_is_told_what_to_install(host: ExistingNode) -> None:
    host.run("mv /usr/sbin/nft /root/")
    assert "no nft — k3s's ports are closed by an nftables table" in error_of(lambda: host.admit())
