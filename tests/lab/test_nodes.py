"""Nodes of the lab's image, made by the local platform's scripts on the real machine."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.e2e.kubernetes import until
from tests.lab.node_stack import KeyPair, NodeStack, refused, succeeded

pytestmark = pytest.mark.nodes

_CLONE = Path(__file__).resolve().parents[2]
_LOGIN_SECONDS = 120


@pytest.fixture(scope="module")
def stack(node_image: str) -> Iterator[NodeStack]:
    """Networks of the tests' own; what an earlier killed run left on them is taken away first."""
    made = NodeStack(node_image)
    succeeded(made.networks("delete"))
    succeeded(made.networks("create"))
    yield made
    succeeded(made.networks("delete"))


@pytest.fixture(scope="module")
def two(stack: NodeStack) -> Iterator[NodeStack]:
    """The stack with nodes 1 and 2."""
    for number in (1, 2):
        succeeded(stack.node("create", number))
    yield stack
    for number in (1, 2):
        succeeded(stack.node("delete", number))


@pytest.fixture
def third(stack: NodeStack) -> Iterator[NodeStack]:
    """The stack, with room for a node 3 that the test may make and break."""
    yield stack
    podman("rm", "--force", "--ignore", stack.container(3))
    succeeded(stack.node("delete", 3))


def podman(*words: str) -> str:
    """What podman prints, stripped."""
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def login(stack: NodeStack, number: int, command: str, **changes: Any) -> str:
    """What a command prints on a node, over SSH with the stack's keys, or with others."""
    options: dict[str, Any] = {
        "username": "root",
        "client_keys": [asyncssh.import_private_key(stack.operator_key.private)],
        "known_hosts": ([asyncssh.import_public_key(stack.host_key.public)], [], []),
        "config": None,
        "agent_path": None,
        "login_timeout": _LOGIN_SECONDS,
    }

    async def run() -> str:
        connection = await asyncssh.connect(stack.public_ip(number), **{**options, **changes})
        try:
            done = await connection.run(command, check=True, timeout=_LOGIN_SECONDS)
        finally:
            connection.close()
        return str(done.stdout).strip()

    return asyncio.run(run())


def test_an_image_that_is_there_is_not_built_again(node_image: str) -> None:
    again = subprocess.run(
        [sys.executable, "-m", "lab.nodes.build"],
        cwd=_CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == f"{node_image}\n"
    assert again.stderr == ""  # where building shows its progress


def test_the_image_holds_no_identity(node_image: str) -> None:
    # Its file system is looked at without starting it.
    root = Path(podman("image", "mount", node_image))
    try:
        assert list((root / "etc/ssh").glob("ssh_host_*")) == []
        assert (root / "etc/machine-id").read_text() == ""
        assert list((root / "root/.ssh").iterdir()) == []
    finally:
        podman("image", "unmount", node_image)


def test_nodes_reach_each_other_on_both_networks(two: NodeStack) -> None:
    for one, other in ((1, 2), (2, 1)):
        assert two.banner(one, two.private_ip(other)) == "SSH-"
        assert two.banner(one, two.public_ip(other)) == "SSH-"


@pytest.mark.skipif(
    Path("/sys/fs/cgroup/cgroup.controllers").exists(),
    reason="with cgroup v2 Podman removes a node's cgroups itself",
)
def test_a_deleted_nodes_cgroups_go_with_the_last_process_in_them(third: NodeStack) -> None:
    succeeded(third.node("create", 3))
    identifier = podman("inspect", "--format", "{{.Id}}", third.container(3)).strip()
    (cgroup, *_) = Path("/sys/fs/cgroup").glob(f"**/libpod-{identifier}")
    with subprocess.Popen(["sleep", "4"]) as last:
        (cgroup / "pod").mkdir()
        (cgroup / "pod" / "cgroup.procs").write_text(str(last.pid))
        succeeded(third.node("delete", 3))
        assert last.poll() == 0
    assert not cgroup.exists()


def test_the_way_out_is_the_public_network_alone(two: NodeStack) -> None:
    routes = two.inside(1, "ip", "-4", "route", "show", "default").splitlines()
    assert [route.split()[:5] for route in routes] == [
        ["default", "via", f"{two.public}.1", "dev", "eth0"]
    ]
    assert f"inet {two.private_ip(1)}/24" in two.inside(1, "ip", "-4", "addr", "show", "eth1")


def test_systemd_runs_with_no_failed_unit_and_a_tree_of_its_own(two: NodeStack) -> None:
    assert two.inside(1, "systemctl", "is-system-running", "--wait") == "running"
    two.inside(1, "systemd-run", "--quiet", "--unit=only-on-one", "sleep", "600")
    find = ("find", "/sys/fs/cgroup", "-name", "only-on-one.service")
    assert two.inside(1, *find)
    assert two.inside(2, *find) == ""


def test_a_node_answers_with_the_host_key_that_the_stack_made(two: NodeStack) -> None:
    assert login(two, 1, "hostname") == "node-1"


def test_a_node_has_no_other_host_key(two: NodeStack) -> None:
    others = [asyncssh.import_public_key(KeyPair.fresh().public)]
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        login(two, 1, "hostname", known_hosts=(others, [], []))
    offered = [line for line in two.inside(1, "sshd", "-T").splitlines() if "hostkey " in line]
    assert offered == ["hostkey /etc/ssh/ssh_host_ed25519_key"]


def test_only_the_stacks_key_may_log_in(two: NodeStack) -> None:
    other = asyncssh.import_private_key(KeyPair.fresh().private)
    with pytest.raises(asyncssh.PermissionDenied):
        login(two, 1, "hostname", client_keys=[other])


def test_no_password_is_ever_asked_for(two: NodeStack) -> None:
    methods = asyncio.run(asyncssh.get_server_auth_methods(two.public_ip(1), username="root"))
    assert methods == ["publickey"]


def test_logins_can_be_counted_in_the_journal(two: NodeStack) -> None:
    def logins() -> int:
        two.inside(1, "journalctl", "--sync")  # what sshd has said is taken in
        journal = two.inside(1, "journalctl", "--unit=ssh", "--output=cat")
        return journal.count("Accepted publickey")

    before = logins()
    login(two, 1, "true")
    assert logins() == before + 1


def test_keys_are_readable_by_root_alone(two: NodeStack) -> None:
    files = ("/etc/ssh/ssh_host_ed25519_key", "/root/.ssh/authorized_keys")
    assert two.inside(1, "stat", "-c", "%a %U", *files).splitlines() == ["600 root", "600 root"]
    directories = ("/etc", "/etc/ssh", "/root/.ssh")
    modes = two.inside(1, "stat", "-c", "%a", *directories).splitlines()
    assert modes == ["755", "755", "700"]


def test_a_node_is_made_once(two: NodeStack) -> None:
    first = succeeded(two.node("create", 1))
    started = podman("inspect", "--format", "{{.State.StartedAt}}", first)
    assert succeeded(two.node("create", 1)) == first
    assert podman("inspect", "--format", "{{.State.StartedAt}}", first) == started
    assert succeeded(two.networks("create")) == succeeded(two.networks("create"))


def test_a_stopped_node_is_started_again_with_what_it_held(third: NodeStack) -> None:
    first = succeeded(third.node("create", 3))
    third.inside(3, "touch", "/var/lib/rancher/kept")
    podman("stop", "--time=5", third.container(3))
    assert succeeded(third.node("create", 3)) == first
    third.inside(3, "test", "-e", "/var/lib/rancher/kept")
    assert login(third, 3, "hostname") == "node-3"


def test_a_node_that_was_killed_in_the_making_is_made_anew(
    third: NodeStack, tmp_path: Path
) -> None:
    # The script dies just when it would start the container.
    dying = 'if [ "$1" = start ]; then kill -9 $PPID; exit 1; fi; exec {real} "$@"'
    path = with_program(tmp_path, "podman", dying)
    killed = NodeStack(third.image, environment={**os.environ, "PATH": path})
    assert killed.node("create", 3).returncode == -9
    half = podman("inspect", "--format", "{{.Id}} {{.State.Status}}", third.container(3))
    assert half.endswith(" created")

    made = succeeded(third.node("create", 3))
    assert made != half.split()[0]
    assert login(third, 3, "hostname") == "node-3"


def test_a_node_made_anew_is_found_at_once_by_who_knew_the_old_one(
    two: NodeStack, third: NodeStack
) -> None:
    """An address that moved to another link address is not found again for a minute."""
    addresses = (third.private_ip(3), third.public_ip(3))
    for _ in ("the old one", "the new one"):
        succeeded(third.node("create", 3))
        assert [two.banner(1, address) for address in addresses] == ["SSH-", "SSH-"]
        succeeded(third.node("delete", 3))


def test_a_node_made_with_other_settings_is_not_replaced_unasked(two: NodeStack) -> None:
    told = refused(two.node("create", 1, MEMORY="1g"))
    assert told.startswith(f"{two.container(1)}: the container exists and was made with other")
    assert f"podman rm -f {two.container(1)}" in told


def test_a_container_of_somebody_else_is_left_alone(third: NodeStack) -> None:
    name = third.container(3)
    podman("create", "--name", name, third.image)
    assert "not made by this stack" in refused(third.node("create", 3))
    succeeded(third.node("delete", 3))
    assert podman("ps", "--all", "--quiet", "--filter", f"name={name}")


def test_an_image_that_is_not_there_is_named(third: NodeStack) -> None:
    told = refused(third.node("create", 3, IMAGE="localhost/nobody:1"))
    assert told.startswith("localhost/nobody:1: Podman does not have this image")
    assert "lab.nodes.build" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PRIVATE_CIDR": "127.5.0.0/24"}, "127.5.0.0/24 (k3slab-taken-private): overlaps 127.0.0"),
        ({"PUBLIC_CIDR": "10.97.1.128/25"}, "overlaps 10.97.1.0/24 (network k3slab-nodes-public)"),
        ({"PUBLIC_CIDR": "10.97.0.0/21"}, "overlaps 10.97.0.0/24 (network k3slab-nodes-private)"),
        ({"PUBLIC_CIDR": "10.97.8.0/21"}, "10.97.9.0/24 and 10.97.8.0/21: overlap"),
    ],
)
def test_a_range_that_is_taken_is_refused_before_anything_is_made(
    stack: NodeStack, changes: dict[str, str], told: str
) -> None:
    other = NodeStack(stack.image, network="k3slab-taken", private="10.97.9", public="10.97.10")
    assert told in refused(other.networks("create", **changes))
    assert "k3slab-taken" not in podman("network", "ls", "--format", "{{.Name}}")


def test_a_network_keeps_its_range(stack: NodeStack) -> None:
    told = refused(stack.networks("create", PUBLIC_CIDR="10.97.2.0/24"))
    assert told.startswith(
        "10.97.2.0/24 (k3slab-nodes-public): the network exists with 10.97.1.0/24"
    )


def test_a_node_cannot_change_the_hosts_kernel_settings(third: NodeStack) -> None:
    def value(setting: str) -> str:
        return (Path("/proc/sys") / setting).read_text()

    # The kubelet's, and what systemd raises when it starts.
    written = ["vm/overcommit_memory", "kernel/panic", "kernel/keys/root_maxkeys"]
    before = [value(setting) for setting in (*written, "fs/file-max", "vm/swappiness")]
    succeeded(third.node("create", 3))
    for setting in written:
        third.inside(3, "sh", "-c", f"echo 1 >/proc/sys/{setting}")
        assert third.inside(3, "cat", f"/proc/sys/{setting}") == "1"
    failing = third.inside(3, "sh", "-c", "echo 7 >/proc/sys/vm/swappiness || echo refused")
    assert failing == "refused"
    assert [value(setting) for setting in (*written, "fs/file-max", "vm/swappiness")] == before


def test_a_deleted_node_leaves_nothing(third: NodeStack) -> None:
    made = succeeded(third.node("create", 3))
    # As the containers of a kubelet do.
    roots = "awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts"
    third.inside(3, "sh", "-ec", f'for root in $({roots}); do mkdir -p "$root/kubepods/pod"; done')
    succeeded(third.node("delete", 3))
    succeeded(third.node("delete", 3))
    assert podman("ps", "--all", "--quiet", "--filter", f"name={third.container(3)}") == ""
    assert third.container(3) not in podman("volume", "ls", "--quiet")
    assert made not in Path("/proc/self/mounts").read_text()
    # Others' come and go while this looks.
    cgroups = [name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names]
    assert not [name for name in cgroups if made in name]


def test_secrets_are_in_no_argument_environment_or_container_setting(
    third: NodeStack, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    note = f'{{{{ printf "%s\\n" "$*"; env; }}}} >>{seen}; exec {{real}} "$@"'
    for program in ("podman", "tar", "mktemp"):
        path = with_program(tmp_path, program, note)
    watched = NodeStack(
        third.image,
        environment={**os.environ, "PATH": path},
        host_key=third.host_key,
        operator_key=third.operator_key,
    )
    made = succeeded(watched.node("create", 3))
    secret = third.host_key.private.splitlines()[2]
    assert third.container(3) in seen.read_text()
    assert secret not in seen.read_text()
    assert secret not in podman("inspect", made)
    # Those of another stack's nodes are there for a moment.
    until(20, "no keys are left", lambda: not list(Path("/dev/shm").glob("k3s-pulumi-keys.*")))  # noqa: S108
    assert secret in third.inside(3, "cat", "/etc/ssh/ssh_host_ed25519_key")


def with_program(folder: Path, name: str, body: str) -> str:
    """A PATH on which a shell script goes before the program whose name it has ({real})."""
    script = folder / "bin" / name
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\n{body.format(real=shutil.which(name))}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"{script.parent}:{os.environ['PATH']}"
