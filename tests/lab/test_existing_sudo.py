"""A user who may not become root on a host is told so, with what to do, before the first step."""

from collections.abc import Iterator

import pytest

from components import scripts
from components.platforms.existing.admit import HOST
from lab.engine.values import Properties
from tests.lab.existing_host import REMOTE, ExistingNode
from tests.lab.node_stack import NodeStack, succeeded
from tests.lab.plugin_host import Plugin, error_of

pytestmark = pytest.mark.nodes

SUDO = next(path.parent / "sudo.sh" for path in HOST)
_USER = """
useradd --create-home --shell /bin/sh shed
install -d -m 0700 -o shed -g shed /home/shed/.ssh
install -m 0600 -o shed -g shed /root/.ssh/authorized_keys /home/shed/.ssh/authorized_keys
"""


@pytest.fixture(scope="module")
def host(node_image: str, shared_command_plugin: Plugin) -> Iterator[ExistingNode]:
    stack = NodeStack(node_image, network="k3slab-sudo", private="10.98.6", public="10.98.7")
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    succeeded(stack.node("create", 1))
    made = ExistingNode(stack, shared_command_plugin, 1)
    made.run(_USER)
    yield made
    succeeded(stack.node("delete", 1))
    succeeded(stack.networks("delete"))


def looked(host: ExistingNode) -> Properties:
    """What the program has looked at, as the user."""
    return {
        "connection": host.connection(user="shed"),
        "create": scripts.command("create", "sudo:lab-home-shed", user="root", seconds=30),
        "stdin": scripts.compose([SUDO], {"NODE": "lab-home-shed"}),
        "addPreviousOutputInEnv": False,
    }


def test_a_user_whom_sudo_refuses_is_told_what_to_write_and_is_let_through_then(
    host: ExistingNode,
) -> None:
    said = error_of(lambda: host.plugin.make(REMOTE, looked(host)))
    assert (
        "lab-home-shed: sudo: shed does not become root without a password: sudo: a password is "
        "required — steps need root on this host, and nobody is there to type one — as root on it: "
        "echo 'shed ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/shed, or write another user for this "
        "host"
    ) in said
    host.run("echo 'shed ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/shed")
    assert host.plugin.make(REMOTE, looked(host))["stdout"] == ""
    # As every later step becomes root.
    step = scripts.command("create", "host:x", user="shed", seconds=30)
    inputs = {"connection": host.connection(user="shed"), "create": step, "stdin": "id -u\n"}
    assert host.plugin.make(REMOTE, inputs)["stdout"] == "0"


def test_a_host_without_sudo_is_told_so(host: ExistingNode) -> None:
    host.run("mv /usr/bin/sudo /root/")
    said = error_of(lambda: host.plugin.make(REMOTE, looked(host)))
    assert "shed is not root, and there is no sudo — steps need root on this host — install" in said
    host.run("mv /root/sudo /usr/bin/")
