"""command:remote:Command: a command on a host, over SSH."""

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncssh
from asyncssh.channel import SSHClientChannel
from asyncssh.packet import String

from lab.engine.values import Properties
from lab.plugins.command.command import Command
from lab.plugins.command.connection import dialled
from lab.plugins.command.hop import completed
from lab.plugins.command.output import Output, previous_output
from lab.plugins.engine_log import ERROR, WARNING
from lab.plugins.refused import RefusedError
from lab.plugins.resource import Operation
from lab.plugins.shapes import Problem

_WINDOW_BYTES, _PACKET_BYTES = 2 * 1024 * 1024, 32 * 1024
_TERMINATION_SECONDS = 2
_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11,
            "PIPE": 13, "ALRM": 14, "TERM": 15}  # fmt: skip
_END_SIBLINGS = (Path(__file__).parent / "end_siblings.sh").read_text()
_ADVICE = (
    "Unable to set {name!r}. This only works if the SSH server is configured to accept it "
    "(AcceptEnv). Where a Bash-like shell runs the command, write {name}=value before it instead."
)


class RemoteCommand(Command):
    """A command line that the user's shell on the host runs."""

    def check(self, inputs: Properties) -> tuple[Properties, list[Problem]]:
        inputs, problems = super().check(inputs)
        if "connection" in inputs:
            inputs = inputs | {"connection": completed(inputs["connection"])}
        return inputs, problems

    async def run(
        self, operation: Operation, command: str, inputs: Properties, state: Properties
    ) -> Properties:
        async with (
            dialled(operation, inputs["connection"]) as connection,
            operation.log.lines(operation.urn) as feed,
        ):
            output = Output(feed, inputs.get("logging"))
            session = await _open(connection, output)
            for name, value in (inputs.get("environment") or {}).items():
                if not await session.channel.set_variable(name, value):
                    await operation.log.send(operation.urn, _ADVICE.format(name=name), ERROR)
                    raise RefusedError(
                        f"could not set environment variable {name!r}: the server refused"
                    )
            for name, value in previous_output(inputs, state).items():
                if not await session.channel.set_variable(name, value):
                    await operation.log.send(operation.urn, _ADVICE.format(name=name), WARNING)
            await session.run(command, (inputs.get("stdin") or "").encode())
        if cause := session.failure():
            raise output.failure(cause, command)
        return output.properties()


class _Channel(SSHClientChannel[bytes]):
    """asyncssh's session channel, taken apart: its own ``create`` sends variables without asking
    whether the server takes them. Uses its internals; the wheel is pinned, and tests watch."""

    async def open_session(
        self, connection: asyncssh.SSHClientConnection, output: Output
    ) -> "_Session":
        packet = await self._open(b"session")
        packet.check_end()
        self._session = session = _Session(connection, self, output)
        return session

    async def set_variable(self, name: str, value: str) -> bool:
        return bool(await self._make_request(b"env", String(name), String(value)))

    async def execute(self, command: str) -> bool:
        if not await self._make_request(b"exec", String(command)):
            return False
        self._session.session_started()
        self._conn.create_task(self._start_reading(), self.logger)
        return True


class _Session(asyncssh.SSHClientSession[bytes]):
    """One command's run: input, output and end."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, channel: "_Channel", output: Output
    ) -> None:
        self._connection = connection
        self.channel = channel
        self._output = output
        self._closed = asyncio.Event()
        self._lost: Exception | None = None

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        stream = "stderr" if datatype == asyncssh.EXTENDED_DATA_STDERR else "stdout"
        self._output.write(stream, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = exc
        self._closed.set()

    async def run(self, command: str, stdin: bytes) -> None:
        """Run the command to its end; cancelling ends it on the host too."""
        try:
            if not await self.channel.execute(command):
                raise RefusedError("ssh: the server refused to run a command")
            with suppress(BrokenPipeError):  # a command need not read it all
                self.channel.write(stdin)
                self.channel.write_eof()
            await self._closed.wait()
        except asyncio.CancelledError:
            await self._terminate()
            raise

    async def _terminate(self) -> None:
        """End the command on the host, where closing the channel alone would let it run on.

        OpenSSH refuses signal requests when root has logged in, so a second session on the same
        connection sends the signal, to the process groups of its siblings.
        """
        for name in ("TERM", "KILL"):
            with suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(_TERMINATION_SECONDS):
                    await self._connection.run(f"set -- {name}\n{_END_SIBLINGS}")
                    await self._closed.wait()
                    return
        self.channel.abort()

    def failure(self) -> str | None:
        """Why the command failed, in the words of Go's SSH client; None when it did not."""
        if signal := self.channel.get_exit_signal():
            return _signalled(signal[0], signal[2])
        status = self.channel.get_exit_status()
        if status is None:
            lost = f" ({self._lost})" if self._lost else ""
            return f"wait: remote command exited without exit status or exit signal{lost}"
        return f"Process exited with status {status}" if status else None


def _signalled(name: str, message: str) -> str:
    text = f"Process exited with status {128 + _SIGNALS.get(name, 0)} from signal {name}"
    return f"{text}. Reason was: {message}" if message else text


async def _open(connection: asyncssh.SSHClientConnection, output: Output) -> _Session:
    loop = asyncio.get_running_loop()
    channel = _Channel(connection, loop, "strict", None, "strict", _WINDOW_BYTES, _PACKET_BYTES)
    try:
        return await channel.open_session(connection, output)
    except asyncssh.Error as error:
        raise RefusedError(f"ssh: no session at the host: {error}") from error
