"""Compile the Go programs of a release, and say how far it is while that takes minutes."""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.k3s.toolchain import BuildError, Go

SAY_EVERY = 10.0  # seconds
LAST_WORDS = 40  # lines of the compiler's output that a failure shows


@dataclass(frozen=True, kw_only=True)
class Program:
    """A main package, where its module is, and the values that the linker sets."""

    name: str
    module: Path
    package: str
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def linker_flags(self) -> str:
        """Stripped, with the variables set."""
        settings = " ".join(f"-X {name}={value}" for name, value in self.variables)
        return f"-s -w {settings}".strip()


def compile_program(go: Go, arch: str, program: Program, out: Path) -> None:
    """Builds one static binary; raises BuildError with the compiler's words when it cannot."""
    total = _packages(go, arch, program)
    _run(
        go,
        arch,
        program,
        ["build", "-v", "-trimpath", "-ldflags", program.linker_flags, "-o", str(out)],
        f"compiling {program.name} ({total} packages; those compiled before are kept)",
    )


def _packages(go: Go, arch: str, program: Program) -> int:
    """How many packages the program has; fetches the modules that they are in."""
    title = f"looking up the modules of {program.name}"
    listed = _run(go, arch, program, ["list", "-deps"], title, lines_are_packages=False)
    return len(listed)


def _run(
    go: Go,
    arch: str,
    program: Program,
    command: Sequence[str],
    title: str,
    lines_are_packages: bool = True,
) -> list[str]:
    """Runs go and gives the lines that it printed; says every few seconds what it is at."""
    started = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        [go.program, *command, program.package],
        cwd=program.module,
        env=go.environment(arch),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()
        while reader.is_alive():
            reader.join(SAY_EVERY)
            if reader.is_alive():
                done = f", {len(lines)} packages compiled" if lines_are_packages else ""
                print(f"k3s: {title}: {time.monotonic() - started:.0f} s{done}", file=sys.stderr)
    if process.returncode:
        print("\n".join(lines[-LAST_WORDS:]), file=sys.stderr)
        raise BuildError(
            f"go {command[0]} of {program.name} failed — its words are above — mend the cause "
            "(modules come from the Go module proxy, see GOPROXY), then run it again"
        )
    return lines


def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
    if process.stdout:
        for line in process.stdout:
            lines.append(line.rstrip())
