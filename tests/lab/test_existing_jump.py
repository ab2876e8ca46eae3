"""A host behind another one: for the steps, and for a person who types the line of the outputs."""

import asyncio
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.rpc import serialize_property

from components.platforms.machine import Ssh
from lab.engine.values import Properties
from tests.lab.existing_host import REMOTE
from tests.lab.node_stack import KeyPair, NodeStack, succeeded
from tests.lab.plugin_host import Plugin, error_of
from tests.lab.ssh_host import ssh_agent

pytestmark = pytest.mark.nodes

_JUMP_KEY = KeyPair.fresh()
_CAME_FROM = "echo ${SSH_CONNECTION%% *}"


@pytest.fixture(scope="module")
def stack(node_image: str) -> Iterator[NodeStack]:
    """Node 2 is the way to node 1; each has a host key of its own."""
    made = NodeStack(node_image, network="k3slab-jump", private="10.98.2", public="10.98.3")
    succeeded(made.networks("delete"))
    succeeded(made.networks("create"))
    succeeded(made.node("create", 1))
    keys = {"HOST_KEY": _JUMP_KEY.private, "HOST_KEY_PUB": _JUMP_KEY.public}
    succeeded(made.node("create", 2, **keys))
    yield made
    for number in (1, 2):
        succeeded(made.node("delete", number))
    succeeded(made.networks("delete"))


def ssh(stack: NodeStack) -> Ssh:
    """The way to node 1, as platform existing makes it."""
    return replace(_to(stack, 1, stack.host_key), jump=jump_of(stack))


def jump_of(stack: NodeStack) -> Ssh:
    return _to(stack, 2, _JUMP_KEY)


def _to(stack: NodeStack, number: int, key: KeyPair) -> Ssh:
    return Ssh(
        host=pulumi.Output.from_input(stack.public_ip(number)),
        user="root",
        port=22,
        private_key=pulumi.Output.from_input(stack.operator_key.private),
        host_key=pulumi.Output.from_input(" ".join(key.public.split()[:2])),
    )


def serialized(make: Callable[[], object]) -> Any:
    """A value as the SDK sends it to a provider, once it is known; outputs need a running loop."""

    async def value_of() -> Any:
        return await serialize_property(make(), [], None, None)

    return asyncio.run(value_of())


def connection(stack: NodeStack, **changes: str) -> Properties:
    """What the program hands to the command provider; `changes` are those of the jump host."""
    given: Properties = serialized(lambda: ssh(stack).connection())
    limits = {"dialErrorLimit": 1}
    return {**given, **limits, "proxy": {**given["proxy"], **limits, **changes}}


def test_a_step_runs_through_the_jump_host(command: Plugin, stack: NodeStack) -> None:
    inputs = {"create": f"{_CAME_FROM}; cat", "stdin": "in", "connection": connection(stack)}
    assert command.make(REMOTE, inputs)["stdout"] == f"{stack.public_ip(2)}\nin"


def test_the_jump_hosts_own_key_is_verified(command: Plugin, stack: NodeStack) -> None:
    """The key of the host behind it is another, and must not do."""
    wrong = {"create": "true", "connection": connection(stack, hostKey=stack.host_key.public)}
    told = error_of(lambda: command.make(REMOTE, wrong))
    assert told.startswith("proxy: after 1 failed attempts: ssh: host key mismatch")
    assert f"{stack.public_ip(2)}:22 offered" in told


def test_the_key_of_the_host_behind_it_is_verified_too(command: Plugin, stack: NodeStack) -> None:
    wrong = {"create": "true", "connection": {**connection(stack), "hostKey": _JUMP_KEY.public}}
    told = error_of(lambda: command.make(REMOTE, wrong))
    assert "ssh: host key mismatch" in told
    assert f"{stack.public_ip(1)}:22 offered" in told


def test_the_line_of_the_outputs_works_as_it_stands(stack: NodeStack, tmp_path: Path) -> None:
    """With what else the outputs give: known hosts, and the key in an agent, as jumps need it."""
    known_hosts = tmp_path / "known_hosts"
    lines = serialized(lambda: [way.known_hosts() for way in (ssh(stack), jump_of(stack))])
    known_hosts.write_text("".join(f"{line}\n" for line in lines))
    # Instead of the user's own files; ssh hands them on to the ssh of the jump.
    config = tmp_path / "config"
    config.write_text(
        f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile none\nBatchMode yes\n"
    )
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(stack.operator_key.private)

    typed = shlex.split(serialized(lambda: ssh(stack).line()))
    assert typed == ["ssh", "-J", f"root@{stack.public_ip(2)}", f"root@{stack.public_ip(1)}"]
    with ssh_agent(key, tmp_path) as socket:
        words = [typed[0], "-F", str(config), *typed[1:], _CAME_FROM]
        done = subprocess.run(
            words,
            env={**os.environ, "SSH_AUTH_SOCK": socket},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == stack.public_ip(2)


@pytest.mark.parametrize(
    ("address", "port", "named"),
    [
        ("bastion.example", 22, "hop@bastion.example"),
        ("bastion.example", 2222, "hop@bastion.example:2222"),
        ("2001:db8::9", 22, "hop@[2001:db8::9]"),
        ("2001:db8::9", 2222, "hop@[2001:db8::9]:2222"),
    ],
)
def test_the_line_names_the_jump_host_as_ssh_reads_it(
    stack: NodeStack, address: str, port: int, named: str
) -> None:

    def line() -> pulumi.Output[str]:
        host = pulumi.Output.from_input(address)
        hop = replace(jump_of(stack), host=host, user="hop", port=port)
        return replace(ssh(stack), jump=hop).line()

    words = shlex.split(serialized(line))
    assert words[1:3] == ["-J", named]
    # ssh reads it and shows what it makes of it, without going there.
    done = subprocess.run(
        [words[0], "-F", "none", "-G", *words[1:]], capture_output=True, text=True, check=True
    )
    assert f"proxyjump {named}\n" in done.stdout
