"""`make check`: format, lint, types, shell scripts, workflows, Go."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.messages import say
from tools.paths import CLONE, cache
from tools.releases import architecture

if TYPE_CHECKING:
    from lab.k3s.toolchain import Go

# Where scripts of the project are not.
_SKIPPED = (".git", ".venv", ".state")
_BIN = Path(sys.executable).parent
_K3S = CLONE / "lab" / "k3s"
_COREDNS = _K3S / "images" / "coredns"
_ACTIONLINT = CLONE / "tools" / "actionlint"
_VET = ("vet", "-trimpath", "./...")
_TYPED = ("components", "stacks", "workloads", "tools", "lab", "__main__.py")


@dataclass(frozen=True)
class Check:
    """One check: its title, and a function that gives its command line."""

    title: str
    command: Callable[[], Sequence[str]]
    folder: Path = CLONE
    any_output_fails: bool = False
    environment: Callable[[], Mapping[str, str]] = lambda: os.environ


CHECKS = (
    Check(
        "ruff format", lambda: [_tool("ruff"), "format", "--check", "--output-format=concise", "."]
    ),
    Check("ruff lint", lambda: [_tool("ruff"), "check", "--output-format=concise", "."]),
    Check("mypy, strict", lambda: [_tool("mypy"), *_TYPED]),
    Check("shellcheck", lambda: [_tool("shellcheck"), *map(str, shell_scripts(CLONE))]),
    Check(
        "actionlint",
        lambda: [_go("go"), "tool", "actionlint", *_actionlint_words()],
        _ACTIONLINT,
        environment=lambda: _go_environment(),
    ),
    Check("gofmt", lambda: [_go("gofmt"), "-l", "."], _K3S, any_output_fails=True),
    # As the lab builds it, so that one compilation of Kubernetes serves both.
    Check("go vet, k3s", lambda: [_go("go"), *_VET], _K3S, environment=lambda: _go_environment()),
    Check(
        "go vet, CoreDNS",
        lambda: [_go("go"), *_VET],
        _COREDNS,
        environment=lambda: _go_environment(),
    ),
)


def run() -> int:
    """Runs all checks, two at a time; 0 when all pass."""
    if not (cache().go / "build").exists():
        say("go vet compiles Kubernetes the first time, as the lab's k3s does: some minutes")
    with ThreadPoolExecutor(max_workers=2) as pool:
        passed = list(pool.map(_passes, CHECKS))
    if not all(passed):
        say(f"make check: {passed.count(False)} of {len(passed)} checks failed")
    return 0 if all(passed) else 1


def workflows(folder: Path) -> list[Path]:
    """The workflows of GitHub Actions in the clone at `folder`."""
    return sorted((folder / ".github" / "workflows").glob("*.y*ml"))


def shell_scripts(folder: Path) -> Iterator[Path]:
    """Every shell script below `folder`: by its suffix or its first line."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or set(path.parts) & set(_SKIPPED):
            continue
        if path.suffix == ".sh" or (not path.suffix and _is_shell(path)):
            yield path


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline(64).strip() in (b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash")


def _actionlint_words(folder: Path = CLONE) -> Sequence[str]:
    """Shell in workflows is checked by the project's shellcheck; there is no Python in them."""
    return [
        "-no-color",
        "-shellcheck",
        _tool("shellcheck"),
        "-pyflakes=",
        *map(str, workflows(folder)),
    ]


def _passes(check: Check) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        check.command(),
        cwd=check.folder,
        env=check.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    output = (done.stdout + done.stderr).strip()
    passed = done.returncode == 0 and not (check.any_output_fails and output)
    seconds = time.monotonic() - started
    say(f"{'ok  ' if passed else 'FAIL'} {check.title} ({seconds:.1f} s)")
    if not passed:
        say(output)
    return passed


def _toolchain() -> "Go":
    """The Go that builds the lab's k3s. Imported here alone: other commands do without the lab."""
    from lab.k3s.toolchain import find_go

    wanted = re.search(r"^go (\S+)$", (_K3S / "go.mod").read_text(), re.MULTILINE)
    return find_go(wanted[1] if wanted else "1.25")


def _go(name: str) -> str:
    return str(_toolchain().program.with_name(name))


def _go_environment() -> Mapping[str, str]:
    return _toolchain().environment(architecture())


def _tool(name: str) -> str:
    beside = _BIN / name
    return str(beside) if beside.exists() else shutil.which(name) or name
