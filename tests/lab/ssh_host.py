"""An SSH host for tests, on loopback: ``python -m tests.lab.ssh_host <folder> <port>``.

It runs commands with /bin/sh, serves SFTP, takes variables whose name begins with OK_, and
forwards connections, as OpenSSH does. Its files are in the folder: ``host_key``,
``client_key`` (which may log in; so may ``PASSWORD``) and ``events``, a line for each thing that
was done to it.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.channel import SSHServerChannel
from asyncssh.packet import SSHPacket

from lab.engine.values import Properties

PASSWORD = "open sesame"
_CHUNK_BYTES = 64 * 1024
_END_SECONDS = 60
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class SshHost:
    """A running host, as the plugin's ``connection`` input describes it."""

    folder: Path
    port: int

    def connection(self, **changes: Any) -> Properties:
        """How to connect; a change to None leaves a property out."""
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "root",
            "privateKey": (self.folder / "client_key").read_text(),
            "hostKey": (self.folder / "host_key.pub").read_text(),
            "dialErrorLimit": 0,
        }
        return {k: v for k, v in {**given, **changes}.items() if v is not None}

    @contextmanager
    def twin(self, port: int = 0) -> "Iterator[SshHost]":
        """Another host with the same keys, ended with the block."""
        with _started(self.folder, port) as twin:
            yield twin

    def events(self) -> list[str]:
        return (self.folder / "events").read_text().splitlines()


@contextmanager
def ssh_host(folder: Path) -> Iterator[SshHost]:
    """A host with fresh keys, ended with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host_key", "client_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        (folder / name).write_bytes(key.export_private_key())
        (folder / f"{name}.pub").write_bytes(key.export_public_key())
    (folder / "events").touch()
    with _started(folder, 0) as host:
        yield host


@contextmanager
def _started(folder: Path, port: int) -> Iterator[SshHost]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.ssh_host", str(folder), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    try:
        assert process.stdout is not None
        yield SshHost(folder, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(timeout=_END_SECONDS)


@contextmanager
def ssh_agent(key: Path, folder: Path) -> Iterator[str]:
    """OpenSSH's agent with a key in it; gives the path of its socket."""
    path = str(folder / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _END_SECONDS
        while subprocess.run(
            ["ssh-add", "-q", str(key)],
            env={**os.environ, "SSH_AUTH_SOCK": path},
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode:
            assert time.monotonic() < deadline, "ssh-agent did not start"
            time.sleep(0.05)
        yield path
    finally:
        agent.terminate()
        agent.wait(timeout=_END_SECONDS)


class _Server(asyncssh.SSHServer):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:  # noqa: ARG002
        return password == PASSWORD

    def connection_requested(self, *where: Any) -> bool:
        _note(self._folder, f"forward {where[1]}")
        return True

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:  # noqa: ARG002
        _note(self._folder, "connection")


def _note(folder: Path, event: str) -> None:
    with (folder / "events").open("a") as events:
        events.write(event + "\n")


async def _run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]} | dict(process.env),
        start_new_session=True,
    )
    feeding = asyncio.create_task(_feed(process, child))
    await asyncio.gather(
        _pass_on(child.stdout, process.stdout), _pass_on(child.stderr, process.stderr)
    )
    code = await child.wait()
    feeding.cancel()
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


async def _feed(
    process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process
) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # a command need not read it all
        while data := await process.stdin.read(_CHUNK_BYTES):
            child.stdin.write(data)
            await child.stdin.drain()
    child.stdin.close()


async def _pass_on(reader: asyncio.StreamReader | None, writer: asyncssh.SSHWriter[bytes]) -> None:
    while reader and (data := await reader.read(_CHUNK_BYTES)):
        writer.write(data)
        await writer.drain()


def _take_variable(channel: SSHServerChannel[bytes], packet: SSHPacket) -> bool:
    """As sshd with ``AcceptEnv OK_*``; asyncssh itself takes any."""
    name, value = packet.get_string(), packet.get_string()
    if not name.startswith(b"OK_"):
        return False
    channel._env[name] = value
    return True


async def _serve(folder: Path, port: int) -> None:
    setattr(SSHServerChannel, "_process_env_request", _take_variable)  # noqa: B010 - a method
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=lambda: _Server(folder),
        server_host_keys=[folder / "host_key"],
        authorized_client_keys=str(folder / "client_key.pub"),
        process_factory=_run,
        sftp_factory=True,
        encoding=None,
        config=None,
    )
    print(server.get_port(), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
