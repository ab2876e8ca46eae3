"""A machine that SSH does not get to, or with another host key, is named after a failed run."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.lab.ssh_host import SshHost, ssh_host
from tools import unreached
from tools.stackfile import StackFile, parse
from tools.unreached import Way


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    with ssh_host(tmp_path / "sshd") as made:
        yield made


def public(host: SshHost) -> str:
    return (host.folder / "host_key.pub").read_text()


def fingerprint(key: str) -> str:
    """As OpenSSH tells it."""
    said = subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=key, capture_output=True, text=True, check=True
    ).stdout
    return said.split()[1]


def another_key(kind: str = "ssh-ed25519") -> str:
    return asyncssh.generate_private_key(kind).export_public_key().decode()


def to(host: SshHost, key: str, setting: str | None = None) -> Way:
    return Way("dev-server-1", "127.0.0.1", host.port, key, setting)


def test_a_machine_that_is_as_it_should_be_is_not_spoken_of(host: SshHost) -> None:
    assert unreached.told([to(host, public(host))]) == []
    assert unreached.told([]) == []


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_another_host_key_is_told_with_both_fingerprints_and_the_way_out(
    host: SshHost, kind: str
) -> None:
    expected = another_key(kind)
    (line,) = unreached.told([to(host, expected)])
    assert line == (
        f"dev-server-1 at 127.0.0.1:{host.port} — its SSH host key is ssh-ed25519 "
        f"{fingerprint(public(host))}, and should be {kind} {fingerprint(expected)}: it was set up "
        "anew, or another machine answers in its place — compare with what its own console shows "
        "(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); then put the stack's key back, or "
        "have it made anew by replace: [dev-server-1]"
    )


def test_of_a_host_that_exists_the_setting_is_named(host: SshHost) -> None:
    (line,) = unreached.told([to(host, another_key(), "existing.hosts.shed.hostKey")])
    assert line.endswith("; if it is yours write it as existing.hosts.shed.hostKey")


def test_what_is_no_node_is_not_to_be_replaced(host: SshHost) -> None:
    balancer = Way("dev-registration", "127.0.0.1", host.port, another_key(), is_node=False)
    (line,) = unreached.told([balancer])
    assert line.endswith("; then put the stack's key back")


def test_a_closed_port_is_told_with_the_reason(host: SshHost) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = Way("dev-agent-1", "127.0.0.1", taken.getsockname()[1], another_key())
        lines = unreached.told([closed, to(host, public(host))])
    assert lines == [
        f"dev-agent-1 at 127.0.0.1:{closed.port} — SSH does not get there: connection refused — "
        f"start it if it is off, and open port {closed.port} to this machine (firewalls on the "
        "way; on a cloud access.ssh); one that is gone for good is made anew by "
        "replace: [dev-agent-1]"
    ]


def test_who_takes_the_connection_and_says_nothing_is_told_after_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unreached, "_SECONDS", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        way = Way("dev-agent-1", "127.0.0.1", silent.getsockname()[1], another_key())
        (line,) = unreached.told([way])
    assert "SSH does not get there: no answer within 1 s" in line


def stack(text: str) -> StackFile:
    return parse("dev", Path("Pulumi.dev.yaml"), text)


def test_containers_are_known_by_the_stacks_state(tmp_path: Path) -> None:
    key = "tls:index/privateKey:PrivateKey"
    resources = [
        resource(key, "dev-operator-key", publicKeyOpenssh="ssh-ed25519 AAAA1"),
        resource(key, "dev-server-1-host-key", publicKeyOpenssh="ssh-ed25519 AAAA2\n"),
        resource(key, "dev-agent-1-host-key", publicKeyOpenssh="ssh-ed25519 AAAA3\n"),
        # The agent's container has not been made.
        resource("command:local:Command", "dev-network"),
        resource("command:local:Command", "dev-server-1"),
        resource(key, "dev-registration-host-key", publicKeyOpenssh="ssh-ed25519 AAAA4"),
        resource("command:local:Command", "dev-registration"),
    ]
    checkpoint = tmp_path / "dev.json"
    checkpoint.write_text(json.dumps({"checkpoint": {"latest": {"resources": resources}}}))
    local = stack('config:\n  k3s:platform: local\n  k3s:local: {publicCidr: "10.9.0.0/24"}\n')
    way, balancer = unreached.of_this_machine(local, checkpoint)
    assert (balancer.name, balancer.is_node) == ("dev-registration", False)
    assert way.is_node
    assert (way.name, way.port, way.host_key.strip()) == ("dev-server-1", 22, "ssh-ed25519 AAAA2")
    assert way.host.startswith("10.9.0.")
    assert list(unreached.of_this_machine(local, tmp_path / "none.json")) == []


def resource(kind: str, name: str, **outputs: str) -> dict[str, object]:
    return {"urn": f"urn:pulumi:dev::k3s::{kind}::{name}", "type": kind, "outputs": outputs}


def test_hosts_that_exist_are_known_by_the_stack_file_and_jump_hosts_in_place_of_those_behind() -> (
    None
):
    file = stack(
        "config:\n  k3s:platform: existing\n  k3s:existing:\n    hosts:\n"
        "      shed: {address: 192.0.2.7, port: 2222, hostKey: ssh-ed25519 AAAA1}\n"
        "      mill:\n        address: 192.0.2.8\n        hostKey: ssh-ed25519 AAAA2\n"
        "        jump: {address: bastion.example, hostKey: ssh-ed25519 AAAA3}\n"
    )
    shed, hop = unreached.existing(file)
    assert (str(shed), shed.setting) == ("shed at 192.0.2.7:2222", "existing.hosts.shed.hostKey")
    assert str(hop) == "the jump host of mill at bastion.example:22"
    assert hop.setting == "existing.hosts.mill.jump.hostKey"


def test_other_machines_are_known_by_the_outputs() -> None:
    outputs = {
        "sshKnownHosts": "192.0.2.1 ssh-ed25519 AAAA1\n[2001:db8::2]:2222 ssh-ed25519 AAAA2\n",
        "nodes": [
            {"name": "one", "ssh": "ssh k3s@192.0.2.1"},
            {"name": "two", "ssh": "ssh -p 2222 root@2001:db8::2"},
            {"name": "behind", "ssh": "ssh -J k3s@192.0.2.1 k3s@10.0.0.3"},
        ],
    }
    assert list(map(str, unreached.of_outputs(outputs))) == [
        "one at 192.0.2.1:22",
        "two at [2001:db8::2]:2222",
    ]
    assert list(unreached.of_outputs({})) == []
