"""What is struck: processes on this machine, a node as a whole, or a node's SSH session."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.kills.plan import Strike


class NothingToStrikeError(Exception):
    """It was not there any more, or not yet."""


def engines(stack: str) -> list[int]:
    """Processes of an engine, the lab's or the CLI, that work on the stack."""
    return [
        process
        for process, words in _all()
        if stack in words and ("lab.engine" in words or Path(words[0]).name == "pulumi")
    ]


def programs(stack: str) -> list[int]:
    """The Python programs that those engines run."""
    return [
        process for engine in engines(stack) for process in _below(engine) if _is_program(process)
    ]


def strike(kind: Strike, stack: str, node: str, script: int | None) -> str:
    """Do it; gives what was struck. `script` is the process of the script that the moment is in.

    Raises NothingToStrikeError.
    """
    return _HOW[kind](stack, node, script)


def _engine(stack: str, _node: str, _script: int | None) -> str:
    return f"engine {_kill(engines(stack))}"


def _program(stack: str, _node: str, _script: int | None) -> str:
    return f"program {_kill(programs(stack))}"


def _both(stack: str, _node: str, _script: int | None) -> str:
    return f"program and engine {_kill([*programs(stack), *engines(stack)])}"


def _restart(stack: str, node: str, _script: int | None) -> str:
    """As when its power goes and comes back."""
    container = f"k3s-{node}"
    done = subprocess.run(
        ["podman", "restart", "--time", "0", container], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NothingToStrikeError(f"{stack}: {container} was not restarted: {done.stderr.strip()}")
    return container


def _session(stack: str, node: str, script: int | None) -> str:
    """Sessions of the node's sshd, or of the script alone."""
    if script is None:
        found = list(_sessions(f"k3s-{node}"))
    else:
        found = [p for p in _above(script) if _words(p)[:1] and _is_session(p)][:1]
    if not found:
        raise NothingToStrikeError(f"{stack}: {node} has no SSH session")
    return f"SSH session {_kill(found)}"


_HOW: Mapping[Strike, Callable[[str, str, int | None], str]] = {
    "engine": _engine,
    "program": _program,
    "both": _both,
    "node": _restart,
    "ssh": _session,
}


def _kill(processes: list[int]) -> str:
    killed = []
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            killed.append(str(process))
    if not killed:
        raise NothingToStrikeError("there was none")
    return ", ".join(killed)


def _sessions(container: str) -> Iterator[int]:
    """sshd's processes in the container, but for the one that listens."""
    asked = ["podman", "inspect", "--format", "{{.State.Pid}}", container]
    run = subprocess.run(asked, capture_output=True, text=True, check=False)
    if run.returncode == 0 and int(run.stdout) > 0:
        yield from (process for process in _below(int(run.stdout)) if _is_session(process))


def _is_session(process: int) -> bool:
    """OpenSSH says of a session whose it is, in the place of its arguments."""
    return " ".join(_words(process)).startswith(("sshd: root", "sshd-session: root"))


def _is_program(process: int) -> bool:
    words = _words(process)
    return any(w.endswith(("engine/program.py", "pulumi-language-python-exec")) for w in words)


def _below(process: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_below(child)]
    return found


def _above(process: int) -> Iterator[int]:
    while process > 1:
        yield process
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            return
        process = int(next(x for x in status.splitlines() if x.startswith("PPid:")).split()[1])


def _all() -> Iterator[tuple[int, list[str]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (words := _words(int(entry.name))):
            yield int(entry.name), words


def _words(process: int) -> list[str]:
    try:
        text = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return []  # it has ended in between
    return text.rstrip("\0").split("\0") if text else []
