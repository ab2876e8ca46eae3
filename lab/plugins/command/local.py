"""command:local:Command: a command on the machine where the engine runs."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from lab.engine.values import Properties
from lab.plugins.command.command import Command
from lab.plugins.command.output import Output, previous_output
from lab.plugins.resource import Operation
from lab.plugins.shapes import Problem

_INTERPRETER = ["/bin/sh", "-c"]
_CHUNK_BYTES = 64 * 1024
_TERMINATION_SECONDS = 2
_NOT_IMPLEMENTED = ("assetPaths", "archivePaths")


class LocalCommand(Command):
    """A command line that an interpreter gets as its last argument."""

    def check(self, inputs: Properties) -> tuple[Properties, list[Problem]]:
        inputs, problems = super().check(inputs)
        reason = (
            "the lab's command plugin collects no files — leave it out, or use the official one"
        )
        problems += [(name, reason) for name in _NOT_IMPLEMENTED if inputs.get(name) is not None]
        return inputs, problems

    async def run(
        self, operation: Operation, command: str, inputs: Properties, state: Properties
    ) -> Properties:
        async with operation.log.lines(operation.urn) as feed:
            output = Output(feed, inputs.get("logging"))
            try:
                process = await _start(command, inputs, state)
            except OSError as error:
                raise output.failure(_start_failure(error), command) from error
            await _finish(process, inputs.get("stdin") or "", output)
        if process.returncode:
            raise output.failure(_cause(process.returncode), command)
        return output.properties()


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
