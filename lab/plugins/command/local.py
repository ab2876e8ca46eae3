"""command:local:Command and command:local:run: commands where the engine runs."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from typing_extensions import override

from lab.engine.values import Properties, reveal
from lab.plugins.command.command import Command
from lab.plugins.command.output import Output, previous_output
from lab.plugins.resource import Operation
from lab.plugins.shapes import Object, Problem, check

_INTERPRETER = ["/bin/sh", "-c"]
_CHUNK_BYTES = 64 * 1024
_TERMINATION_SECONDS = 2
_FILE_PATHS = ("assetPaths", "archivePaths")
_COURSE = ("create", "update", "delete", "triggers")


class LocalCommand(Command):
    """A command line that an interpreter gets as its last argument."""

    @override
    def check(self, inputs: Properties) -> tuple[Properties, list[Problem]]:
        inputs, problems = super().check(inputs)
        return inputs, problems + _not_implemented(inputs)

    @override
    async def run(
        self, operation: Operation, command: str, inputs: Properties, state: Properties
    ) -> Properties:
        return await _run(operation, command, inputs, state)


class LocalRun:
    """command:local:run, a function: the command runs whenever the program does, previews too."""

    def __init__(self, command: Object) -> None:
        """``command``: the inputs of local.Command, with which it shares all but the course."""
        shared = {k: v for k, v in command.properties.items() if k not in _COURSE}
        properties = {**shared, "command": command.properties["create"]}
        self._inputs = Object("local.run", properties, frozenset({"command"}))

    def check(self, inputs: Properties) -> list[Problem]:
        """What is wrong with the arguments."""
        return [*check(self._inputs, "", inputs), *_not_implemented(inputs)]

    async def call(self, operation: Operation, inputs: Properties) -> Properties:
        """The arguments and what the command wrote. Raises ``RefusedError``."""
        plain = reveal(inputs)
        return {**plain, **await _run(operation, plain["command"], plain, {})}


def _not_implemented(inputs: Properties) -> list[Problem]:
    reason = "the lab's command plugin collects no files — leave it out, or use the official one"
    return [(name, reason) for name in _FILE_PATHS if inputs.get(name) is not None]


async def _run(
    operation: Operation, command: str, inputs: Properties, state: Properties
) -> Properties:
    async with operation.log.lines(operation.urn) as feed:
        output = Output(feed, inputs.get("logging"))
        try:
            process = await _started(command, inputs, state)
        except OSError as error:
            raise output.failure(_start_failure(error), command) from error
        await _finish(process, inputs.get("stdin") or "", output)
    if process.returncode:
        raise output.failure(_cause(process.returncode), command)
    return output.properties()


async def _started(command: str, inputs: Properties, state: Properties) -> Process:
    """The process; cancelling ends what has begun even if asyncio is not done with starting it.

    asyncio itself would then kill the interpreter alone, and wait for the children that it left.
    """
    starting = asyncio.create_task(_start(command, inputs, state))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _terminate(await starting)
        raise


async def _start(command: str, inputs: Properties, state: Properties) -> Process:
    interpreter = inputs.get("interpreter") or _INTERPRETER
    environment = os.environ | (inputs.get("environment") or {}) | previous_output(inputs, state)
    return await asyncio.create_subprocess_exec(
        *interpreter,
        command,
        stdin=PIPE if inputs.get("stdin") else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=inputs.get("dir"),
        env=environment,
        start_new_session=True,
    )


async def _finish(process: Process, stdin: str, output: Output) -> None:
    """Feed the process, take its output, wait for its end; cancelling ends its whole group."""
    try:
        await asyncio.gather(
            _feed(process.stdin, stdin.encode()),
            _drain(process.stdout, "stdout", output),
            _drain(process.stderr, "stderr", output),
        )
        await process.wait()
    except asyncio.CancelledError:
        await _terminate(process)
        raise


async def _feed(writer: asyncio.StreamWriter | None, data: bytes) -> None:
    if writer is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # a command need not read it all
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def _drain(reader: asyncio.StreamReader | None, stream: str, output: Output) -> None:
    while reader and (data := await reader.read(_CHUNK_BYTES)):
        output.write(stream, data)


async def _terminate(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _TERMINATION_SECONDS)
            return


def _start_failure(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    return f"{error.filename}: {text}" if error.filename else text


def _cause(returncode: int) -> str:
    if returncode > 0:
        return f"exit status {returncode}"
    return f"signal: {(signal.strsignal(-returncode) or str(-returncode)).lower()}"
