"""Pods cannot reach the cloud's metadata service, and the node itself can."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab.cloud_machine import cloud_image, prepare_script
from tests.lab.node_stack import NodeStack, succeeded

pytestmark = pytest.mark.nodes

IPV4, IPV6 = "169.254.169.254", "fd00:ec2::254"
METADATA = f"{IPV4}\n{IPV6}"
# How each is written in a URL; the last is a Service that leads there.
TARGETS = (IPV4, f"[{IPV6}]", "10.43.0.99")
UNREACHED = "28"  # curl's: the time is over, as nobody takes the connection
_SERVICE = Path(__file__).with_name("metadata_service.sh")
# Says what the rules were when k3s started.
K3S = """\
[Unit]
Description=k3s's stand-in
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c '{show} >/root/when-k3s-started'
[Install]
WantedBy=multi-user.target
"""
_WITHOUT_K3S = """
systemctl disable --quiet --now k3s 2>/dev/null
rm -rf /etc/systemd/system/k3s.service /root/when-k3s-started
rm -rf /etc/systemd/system/metadata-guard.service.d
systemctl daemon-reload
"""
# A machine that takes its time: k3s would be first, if it did not wait.
_SLOW = """
cd /etc/systemd/system
mkdir metadata-guard.service.d
printf '[Service]\nExecStartPre=sleep 3\n' >metadata-guard.service.d/slow.conf
"""
SHOW = {"nft": "nft list table inet metadata_guard", "iptables": "iptables -t raw -S PREROUTING"}


class Node:
    """A node with a metadata service and a pod; `program` is what it has for rules."""

    def __init__(self, stack: NodeStack, program: str) -> None:
        self.stack, self.program = stack, program

    def shell(self, script: str) -> "subprocess.CompletedProcess[str]":
        """A script's run in the node."""
        return subprocess.run(
            ["podman", "exec", "--interactive", self.stack.container(1), "sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def start(self) -> None:
        """Starts the node, made if it is not there; the service and the pod end with it."""
        succeeded(self.stack.node("create", 1))
        if self.program == "iptables":
            succeeded(self.shell("rm -f /usr/sbin/nft"))
        succeeded(self.shell(_SERVICE.read_text()))

    def restart(self) -> None:
        """As when the machine is started anew."""
        self.stack.podman("stop", self.stack.container(1))
        self.start()

    def prepare(self, metadata: str = METADATA) -> None:
        """prepare.sh, for a machine that has these metadata addresses."""
        succeeded(self.shell(prepare_script(METADATA=metadata)))

    def pod_reaches(self) -> dict[str, bool]:
        """Which targets answer the pod."""
        return self._reached(TARGETS, "ip netns exec pod ")

    def itself_reaches(self) -> dict[str, bool]:
        """Which of the service's own addresses answer the node: a Service is for pods only here."""
        return self._reached(TARGETS[:2])

    def _reached(self, targets: Sequence[str], entry: str = "") -> dict[str, bool]:
        bounds = "--connect-timeout 2 --max-time 60"
        curl = f'{entry}curl --silent {bounds} "http://$target/"'
        ask = f"said=$({curl}); echo $target $? $said"
        each = " ".join(f"'{target}'" for target in targets)
        answers = succeeded(self.shell(f"for target in {each}; do ({ask}) & done; wait"))
        found = {}
        for target, code, *said in map(str.split, answers.splitlines()):
            assert (code, said) in (("0", ["secrets"]), (UNREACHED, [])), answers
            found[target] = bool(said)
        return found

    def rules(self) -> str:
        """All rules of the node's own network, without counters."""
        if self.program == "nft":
            return re.sub(r"packets \d+ bytes \d+", "", succeeded(self.shell("nft list ruleset")))
        # Of tables that were looked at, the empty chains stay.
        saved = succeeded(self.shell("iptables-save; ip6tables-save")).splitlines()
        return "\n".join(line for line in saved if line.startswith(("-A", ":METADATA")))


ALL = dict.fromkeys(TARGETS, True)
NONE = dict.fromkeys(TARGETS, False)
NODE = dict.fromkeys(TARGETS[:2], True)


@pytest.fixture(scope="module", params=["nft", "iptables"])
def started(request: pytest.FixtureRequest, node_image: str) -> Iterator[Node]:
    stack = NodeStack(
        cloud_image(node_image), network="k3slab-meta", private="10.97.6", public="10.97.7"
    )
    succeeded(stack.node("delete", 1))
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    made = Node(stack, request.param)
    made.start()
    yield made
    succeeded(stack.node("delete", 1))
    succeeded(stack.networks("delete"))


@pytest.fixture
def node(started: Node) -> Node:
    """The node as it was before anything was prepared."""
    succeeded(started.shell(_WITHOUT_K3S))
    started.prepare(metadata="")
    return started


def test_pods_are_kept_from_the_metadata_service_and_the_node_is_not(node: Node) -> None:
    before = node.rules()
    assert node.pod_reaches() == ALL

    node.prepare()
    once = node.rules()
    assert node.pod_reaches() == NONE
    assert node.itself_reaches() == NODE

    # Otherwise k3s's own uninstaller would leave k3s where it is.
    assert node.shell("ls /etc/systemd/system/k3s*.service").stdout == ""

    node.prepare()
    assert node.rules() == once
    assert node.pod_reaches() == NONE

    node.prepare(metadata="")
    assert node.rules() == before
    assert node.pod_reaches() == ALL
    assert "metadata-guard" not in succeeded(node.shell("ls /etc /etc/systemd/system"))


def test_the_rules_are_there_before_k3s_at_each_start(node: Node) -> None:
    unit = K3S.format(show=SHOW[node.program])
    succeeded(node.shell(f"cat >/etc/systemd/system/k3s.service <<'END'\n{unit}END\n"))
    node.prepare()
    succeeded(node.shell(f"systemctl enable --quiet k3s\n{_SLOW}"))

    node.restart()

    wait = "until systemctl is-active --quiet k3s; do sleep 0.1; done"
    succeeded(node.shell(f"timeout 300 sh -c '{wait}'"))
    seen = succeeded(node.shell("cat /root/when-k3s-started")).lower()
    assert "metadata_guard" in seen.replace("-", "_")
    assert node.pod_reaches() == NONE
    assert node.itself_reaches() == NODE

    # Prepared again while k3s runs, which goes on; with no addresses any more as well.
    for metadata in (METADATA, IPV4, ""):
        since = succeeded(node.shell("systemctl show -p ActiveEnterTimestampMonotonic k3s"))
        node.prepare(metadata=metadata)
        now = succeeded(node.shell("systemctl show -p ActiveEnterTimestampMonotonic k3s"))
        assert now == since
        assert succeeded(node.shell("systemctl is-active k3s")) == "active"


def test_k3s_does_not_start_without_the_rules(node: Node) -> None:
    unit = K3S.format(show="true")
    succeeded(node.shell(f"cat >/etc/systemd/system/k3s.service <<'END'\n{unit}END\n"))
    node.prepare()
    succeeded(node.shell("systemctl stop metadata-guard; echo false >/etc/metadata-guard/load"))
    started = node.shell("systemctl start k3s")
    assert started.returncode == 1
    assert node.shell("systemctl is-active k3s").stdout == "inactive\n"
    node.prepare()
    succeeded(node.shell("systemctl start k3s"))


def test_a_machine_without_a_program_for_rules_is_told_what_to_install(node: Node) -> None:
    programs = "nft iptables-restore ip6tables-restore"
    hide = f"cd /usr/sbin; mkdir /root/hidden; for p in {programs}; do mv $p /root/hidden; done"
    node.shell(hide)
    done = node.shell(prepare_script(METADATA=METADATA))
    succeeded(node.shell("mv /root/hidden/* /usr/sbin; rmdir /root/hidden"))
    assert done.returncode == 1
    assert "neither nft nor iptables" in done.stderr
    assert "install nftables" in done.stderr
