"""The ``connection`` input: who is dialled, how often, as whom, and who must answer."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lab.engine.values import Properties
from tests.lab.plugin_host import Plugin, error_of, running
from tests.lab.ssh_host import PASSWORD, SshHost, ssh_agent

REMOTE = "command:remote:Command"
_REFUSING = 1  # nobody listens there, and nobody is given that port


def _run(plugin: Plugin, connection: Properties) -> str:
    return str(plugin.make(REMOTE, {"create": "echo in", "connection": connection})["stdout"])


def _fail(plugin: Plugin, connection: Properties) -> str:
    return error_of(lambda: _run(plugin, connection))


def test_a_wrong_host_key_is_refused_and_both_keys_are_named(
    command: Plugin, host: SshHost, other_key: str
) -> None:
    text = _fail(command, host.connection(hostKey=other_key))
    offered = asyncssh.read_public_key(host.folder / "host_key.pub").get_fingerprint()
    wanted = asyncssh.import_public_key(other_key).get_fingerprint()
    assert f"offered ssh-ed25519 {offered}, but hostKey is ssh-ed25519 {wanted}" in text
    assert "PRIVATE KEY" not in text


def test_a_wrong_host_key_of_the_proxy_is_refused(
    command: Plugin, host: SshHost, bastion: SshHost, other_key: str
) -> None:
    before = host.events()
    text = _fail(command, host.connection(proxy=bastion.connection(hostKey=other_key)))
    assert text.startswith("proxy: after 0 failed attempts: ssh: host key mismatch")
    assert host.events() == before


def test_a_host_key_of_another_type_is_the_only_one_asked_for(
    command: Plugin, host: SshHost
) -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    text = _fail(command, host.connection(hostKey=key))
    assert "hostKey is of type ecdsa-sha2-nistp256" in text


def test_any_host_key_is_taken_where_none_is_given(command: Plugin, host: SshHost) -> None:
    assert _run(command, host.connection(hostKey=None)) == "in"


def test_a_host_key_that_cannot_be_read_is_refused_at_once(command: Plugin, host: SshHost) -> None:
    text = _fail(command, host.connection(hostKey="SHA256:abc", dialErrorLimit=10))
    assert text.startswith("failed to parse host key")


def test_neither_known_hosts_nor_configuration_of_the_user_plays_a_part(
    host: SshHost, tmp_path: Path, other_key: str
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  Port 1\n  User nobody\n")
    (tmp_path / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{host.port} {other_key}\n")
    shutil.copy(host.folder / "client_key", tmp_path / ".ssh" / "id_ed25519")
    with running("command", {"HOME": str(tmp_path)}) as plugin:
        assert _run(plugin, host.connection()) == "in"
        assert "unable to log in" in _fail(plugin, host.connection(privateKey=None))


def test_a_password_is_enough(command: Plugin, host: SshHost) -> None:
    assert _run(command, host.connection(privateKey=None, password=PASSWORD)) == "in"


def test_a_wrong_password_is_refused_without_showing_it(command: Plugin, host: SshHost) -> None:
    text = _fail(command, host.connection(privateKey=None, password="wrong-secret"))
    assert "unable to log in as root" in text
    assert "wrong-secret" not in text


def test_an_encrypted_private_key_is_opened(command: Plugin, host: SshHost) -> None:
    key = asyncssh.read_private_key(host.folder / "client_key")
    encrypted = key.export_private_key("pkcs8-pem", "key secret").decode()
    opened = host.connection(privateKey=encrypted, privateKeyPassword="key secret")
    assert _run(command, opened) == "in"
    wrong = host.connection(privateKey=encrypted, privateKeyPassword="other secret")
    text = _fail(command, wrong)
    assert text.startswith("failed to parse private key")
    assert "other secret" not in text


@pytest.mark.skipif(not shutil.which("ssh-agent"), reason="needs OpenSSH's ssh-agent")
def test_the_keys_of_an_agent_are_used(host: SshHost, command: Plugin, tmp_path: Path) -> None:
    key = tmp_path / "key"
    shutil.copy(host.folder / "client_key", key)
    key.chmod(0o600)
    with ssh_agent(key, tmp_path) as path:
        given = host.connection(privateKey=None, agentSocketPath=path)
        assert _run(command, given) == "in"
        with running("command", {"SSH_AUTH_SOCK": path}) as plugin:
            assert _run(plugin, host.connection(privateKey=None)) == "in"


def test_an_agent_that_does_not_answer_is_an_error(command: Plugin, host: SshHost) -> None:
    text = _fail(command, host.connection(agentSocketPath="/no/agent"))
    assert text.startswith("cannot ask the SSH agent at /no/agent")


@contextmanager
def _reserved() -> Iterator[int]:
    """A port that nobody else is given: connections are refused until a host listens there."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def test_a_refused_dial_is_retried_as_often_as_the_limit_says(
    command: Plugin, host: SshHost
) -> None:
    """After 0.1 s and 0.15 s."""
    started = time.monotonic()
    text = _fail(command, host.connection(port=_REFUSING, dialErrorLimit=2))
    assert time.monotonic() - started >= 0.25
    assert text.startswith("after 2 failed attempts: dial tcp 127.0.0.1:")
    assert "connection refused" in text
    lines = command.engine.status_lines()
    assert [line.split(":")[0] for line in lines] == ["Dial 1/2 failed", "Dial 2/2 failed"]


def test_a_host_that_comes_up_late_is_reached(command: Plugin, host: SshHost) -> None:
    with _reserved() as port:
        connection = host.connection(port=port, dialErrorLimit=-1)
        call = command.start_create(REMOTE, {"create": "echo in", "connection": connection})
        command.engine.wait_for("Dial 3/inf failed")
        with host.twin(port):
            assert call.result().properties["stdout"] == "in"


@contextmanager
def _silent() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_silent_host_is_given_up_after_the_dial_timeout(command: Plugin, host: SshHost) -> None:
    with _silent() as port:
        started = time.monotonic()
        text = _fail(command, host.connection(port=port, perDialTimeout=1))
    # Without it, 15 s are given.
    assert 1 <= time.monotonic() - started < 15
    assert f"no SSH login at 127.0.0.1:{port} within 1 s" in text


def test_cancel_ends_the_retries(own_command: Plugin, host: SshHost) -> None:
    connection = host.connection(port=_REFUSING, dialErrorLimit=-1)
    call = own_command.start_create(REMOTE, {"create": "true", "connection": connection})
    own_command.engine.wait_for("Dial 1/inf failed")
    own_command.cancel()
    assert "cancelled while it ran" in error_of(lambda: call.result())


def test_a_proxy_is_the_way_to_the_host(command: Plugin, host: SshHost, bastion: SshHost) -> None:
    assert _run(command, host.connection(proxy=bastion.connection())) == "in"
    assert bastion.events()[-1] == f"forward {host.port}"


def test_a_proxy_has_limits_of_its_own(command: Plugin, host: SshHost, bastion: SshHost) -> None:
    gone = bastion.connection(port=_REFUSING, dialErrorLimit=1)
    text = _fail(command, host.connection(proxy=gone, dialErrorLimit=9))
    assert text.startswith("proxy: after 1 failed attempts: dial tcp")
    unreachable = host.connection(port=_REFUSING, proxy=bastion.connection())
    assert _fail(command, unreachable).startswith("proxy: after 0 failed attempts: dial tcp")


@pytest.mark.parametrize("secret_name", ["privateKey", "password"])
def test_errors_show_no_secret_of_the_connection(
    command: Plugin, host: SshHost, secret_name: str
) -> None:
    given: dict[str, Any] = {secret_name: "canary-value"}
    text = _fail(command, host.connection(port=_REFUSING, **given))
    assert "canary" not in text + str(command.engine.messages)
