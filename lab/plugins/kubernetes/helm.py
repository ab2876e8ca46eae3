"""The real Helm, run for one command at a time.

The kubeconfig and the values reach it as files in memory; its own files are in a folder that
nobody else can read and that goes with the command.
"""

import asyncio
import json
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab.helm.build import ensure
from lab.k3s.toolchain import BuildError
from lab.plugins.kubernetes.kubeconfig import Access
from lab.plugins.kubernetes.memory import memory_file
from lab.plugins.refused import RefusedError

_TERMINATION_SECONDS = 4  # Helm notes down that a release failed; then it is killed
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_one_build = asyncio.Lock()
_ensured = cache(ensure)


class HelmError(Exception):
    """Helm ended with an error; its own words, which may hold what it was given."""


@dataclass(frozen=True)
class Helm:
    """Helm on a cluster; without access it can look at charts alone."""

    access: Access | None = None
    namespace: str = ""

    async def json(self, *words: str, values: Mapping[str, Any] | None = None) -> Any:
        """The answer to a command that is asked for JSON. Raises ``HelmError``."""
        text = await self.run(*words, "--output", "json", values=values)
        try:
            return json.loads(text)
        except ValueError as error:
            raise HelmError(f"{words[0]}: its answer is not JSON") from error

    async def run(self, *words: str, values: Mapping[str, Any] | None = None) -> str:
        """What a command prints. Raises ``HelmError``; cancelling ends the command."""
        program = await _program()
        with ExitStack() as stack:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="helm-"))
            descriptors, command = [], [str(program), *words]
            environment = _environment(Path(home))
            if self.access:
                kubeconfig = self.access.as_kubeconfig().encode()
                path, number = stack.enter_context(memory_file("kubeconfig", kubeconfig))
                environment["KUBECONFIG"] = path
                descriptors.append(number)
                command += ["--namespace", self.namespace]
            if values is not None:
                document = json.dumps(values).encode()
                path, number = stack.enter_context(memory_file("values", document))
                command += ["--values", path]
                descriptors.append(number)
            return await _run(command, environment, home, descriptors)


async def _program() -> Path:
    async with _one_build:
        try:
            return await asyncio.to_thread(_ensured)
        except BuildError as error:
            raise RefusedError(f"Helm cannot be built — {error}") from error


def _environment(home: Path) -> dict[str, str]:
    """Of the own environment what Helm needs, so that no HELM_… of the user's steers it.

    HOME is its own: it would keep what it discovers of clusters in the user's ~/.kube.
    """
    kept = {name: os.environ[name] for name in (*_KEPT, *_PROXIES) if name in os.environ}
    folders = {
        f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")
    }
    return kept | folders | {"HOME": str(home)}


async def _run(
    command: Sequence[str], environment: Mapping[str, str], home: str, descriptors: Sequence[int]
) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=home,  # so that no folder there is taken for the chart
        env=environment,
        pass_fds=descriptors,
        start_new_session=True,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        await _terminate(process)
        raise
    if process.returncode:
        words = errors.decode(errors="replace").strip() or f"exit status {process.returncode}"
        raise HelmError(words.removeprefix("Error: "))
    return output.decode()


async def _terminate(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _TERMINATION_SECONDS)
            return
