"""What add-ons need of a machine: prepare installs what is missing, by Debian's own packages here.

iSCSI itself is no container's: of that, only what a machine without it is told can be shown.
"""

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.conftest import CLONE
from tests.lab.cloud_machine import prepare_script
from tests.lab.node_stack import NodeStack, refused, succeeded

pytestmark = pytest.mark.nodes

FEATURES = "iscsi nfs"
# Of the lists of packages and of dpkg, in seconds: the lists are fetched before dpkg is asked.
HELD = {"/var/lib/apt/lists/lock": 4, "/var/lib/dpkg/lock-frontend": 16}
# struct flock of 64-bit Linux, as apt and dpkg lock: l_type, l_whence, l_start, l_len, l_pid.
_HOLD = """
perl -MFcntl -e '
    my ($name, $seconds) = @ARGV;
    open my $file, ">>", $name or die;
    my $lock = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
    fcntl($file, F_SETLK, $lock) or die;
    $| = 1;
    print "held\\n";
    sleep $seconds;
    print "freed\\n";
' {name} {seconds} >/root/{seconds} 2>&1 &
until grep -q . /root/{seconds}; do sleep 0.1; done
"""
# Says what it was asked for, and brings the programs as the packages would.
_OTHER = """
mkdir -p /usr/local/sbin
cat >/usr/local/sbin/{manager} <<'END'
#!/bin/sh
echo "$@" >/root/asked
for name in iscsiadm mount.nfs4; do printf '#!/bin/sh\\n' >/usr/local/sbin/$name; done
chmod +x /usr/local/sbin/*
END
chmod +x /usr/local/sbin/{manager}
"""


class Node:
    """A node as it is made: a small Debian."""

    def __init__(self, stack: NodeStack) -> None:
        self.stack = stack

    def shell(self, script: str) -> "subprocess.CompletedProcess[str]":
        """A script's run in the node."""
        return subprocess.run(
            ["podman", "exec", "--interactive", self.stack.container(1), "sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )

    def prepare(self, features: str = FEATURES) -> "subprocess.CompletedProcess[str]":
        return self.shell(prepare_script(FEATURES=features))

    def found(self, script: str) -> str:
        return succeeded(self.shell(script))

    def start(self) -> None:
        succeeded(self.stack.node("delete", 1))
        succeeded(self.stack.node("create", 1))

    def packages(self) -> set[str]:
        return set(self.found("dpkg-query --show --showformat '${Package}\\n'").split())

    def dependencies(self, *packages: str) -> set[str]:
        """Packages with all that they need, at any remove."""
        only = (
            "--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
        )
        told = self.found(f"apt-cache depends --recurse {only} {' '.join(packages)}")
        return {line.strip(" |<>").rpartition(" ")[2].strip("<>") for line in told.splitlines()}

    def programs(self) -> list[str]:
        return self.found("command -v iscsiadm; command -v mount.nfs4; true").splitlines()


@pytest.fixture(scope="module")
def stack(node_image: str) -> Iterator[NodeStack]:
    made = NodeStack(node_image, network="k3slab-features", private="10.98.10", public="10.98.11")
    succeeded(made.node("delete", 1))
    succeeded(made.networks("delete"))
    succeeded(made.networks("create"))
    yield made
    succeeded(made.node("delete", 1))
    succeeded(made.networks("delete"))


@pytest.fixture
def node(stack: NodeStack) -> Node:
    """A fresh one for each test."""
    made = Node(stack)
    made.start()
    return made


def test_what_is_missing_is_installed_when_the_locks_are_free_and_opens_no_port(
    node: Node,
) -> None:
    listening = "ss --no-header --listening --tcp --udp --numeric | awk '{print $1, $5}' | sort"
    before, packages = node.found(listening), node.packages()
    started = time.monotonic()
    for name, seconds in HELD.items():
        node.found(_HOLD.format(name=name, seconds=seconds))
    done = node.prepare()
    print(f"installed in {time.monotonic() - started:.1f} s, the locks held {HELD} s of it")
    succeeded(done)
    for seconds in HELD.values():
        assert node.found(f"cat /root/{seconds}") == "held\nfreed"
    assert "prepare: installs open-iscsi nfs-common" in done.stderr
    assert "a container: no volume over iSCSI can be attached here" in done.stderr
    assert node.programs() == ["/usr/sbin/iscsiadm", "/usr/sbin/mount.nfs4"]
    # The NFS client's package brings rpcbind, which would listen on port 111 of every address.
    assert node.found("command -v rpcbind") == "/usr/sbin/rpcbind"
    assert node.found(listening) == before
    # What stays on a host that leaves: what the page names, and what that depends on.
    page = (CLONE / "docs" / "existing-hosts.md").read_text(encoding="utf-8")
    assert "`open-iscsi`, `nfs-common` and what they depend on" in page
    assert node.packages() - packages <= node.dependencies("open-iscsi", "nfs-common")

    log = node.found("cat /var/log/dpkg.log")
    again = node.prepare()
    succeeded(again)
    assert "installs" not in again.stderr
    assert node.found("cat /var/log/dpkg.log") == log


def test_without_features_nothing_is_asked_for(node: Node) -> None:
    succeeded(node.prepare(""))
    assert node.programs() == []
    assert node.found("ls -A /var/lib/apt/lists").split() == ["lock", "partial"]


def test_packages_that_cannot_be_had_are_told(node: Node) -> None:
    node.found("echo 'deb [trusted=yes] file:/nowhere ./' >/etc/apt/sources.list")
    said = refused(node.prepare("nfs"))
    assert "File not found - /nowhere/" in said
    assert "E: Package 'nfs-common' has no installation candidate" in said
    assert (
        "node: prepare: nfs-common cannot be installed — apt-get's last words are above — "
        "install it on this machine, or have it in its image"
    ) in said
    assert "installs open-iscsi" not in said


def test_a_machine_whose_packages_are_of_another_kind_is_told_what_it_needs(node: Node) -> None:
    node.found("rm /usr/bin/apt-get")
    assert (
        "node: prepare: no iscsiadm mount.nfs4, which add-ons need, and neither apt-get, dnf nor "
        "zypper to install them with — install them on this machine"
    ) in refused(node.prepare())


@pytest.mark.parametrize(
    ("manager", "packages"),
    [("dnf", "iscsi-initiator-utils nfs-utils"), ("zypper", "open-iscsi nfs-client")],
)
def test_other_distributions_packages_have_other_names(
    node: Node, manager: str, packages: str
) -> None:
    node.found("rm /usr/bin/apt-get\n" + _OTHER.format(manager=manager))
    done = node.prepare()
    succeeded(done)
    assert f"installs {packages}" in done.stderr
    asked = node.found("cat /root/asked")
    assert asked.split()[-2:] == packages.split()
    assert "install" in asked.split()


def test_a_machine_whose_kernel_lacks_iscsi_is_told(node: Node) -> None:
    # Programs that are there, on what is no container: its kernel has no module of any kind.
    node.found(_OTHER.format(manager="dnf") + "dnf")
    node.found("printf '#!/bin/sh\\nexit 1\\n' >/usr/local/sbin/systemd-detect-virt")
    node.found("chmod +x /usr/local/sbin/systemd-detect-virt")
    node.found("[ ! -d /lib/modules ] || mount -t tmpfs none /lib/modules")
    said = refused(node.prepare())
    assert "the kernel has no iscsi_tcp — volumes over iSCSI need it — install" in said
