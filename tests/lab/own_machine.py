"""A machine of a test's own, so far as Podman is concerned: network, mounts, processes and store.

What nodes change on their host can so be compared exactly, whatever else runs on the real one,
and with any firewall. It ends with the process that made it, however that ends, and leaves nothing.
"""

import ast
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.host import Facts

_CLONE = Path(__file__).resolve().parents[2]
_SETUP = Path(__file__).with_name("own_machine.sh")
_FRESH = ("--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private")
# Kinds of facts that are the real machine's also in here; of the kernel's settings, those of the
# network alone are this machine's.
_SHARED = ("cgroup", "process")
_OWN_SETTINGS = "net/"
_STRAY_SECONDS = 600
_FACTS = "from tests.host import facts; print({k: sorted(v) for k, v in facts().items()})"


@dataclass(frozen=True)
class OwnMachine:
    """`entry` are the words before a command that is to run there."""

    entry: tuple[str, ...]

    def run(self, *words: str) -> str:
        """What a command prints; raises CalledProcessError when it fails."""
        return subprocess.run(
            [*self.entry, *words], stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def facts(self) -> Facts:
        """What this machine is like, so far as running nodes on it could change it."""
        found = ast.literal_eval(
            self.run("env", f"PYTHONPATH={_CLONE}", sys.executable, "-c", _FACTS)
        )
        found["sysctl"] = [line for line in found["sysctl"] if line.startswith(_OWN_SETTINGS)]
        return {kind: frozenset(found[kind]) for kind in found if kind not in _SHARED}


def remove_stray_cgroups() -> None:
    """Takes away the cgroups of containers that were killed with an earlier machine."""
    for identifier in {path.name for path in _container_cgroups()}:
        found = [path for path in _container_cgroups() if path.name == identifier]
        with suppress(FileNotFoundError):  # its container has gone in between
            # One that is being made has no processes either, but it is new.
            age = time.time() - max(path.stat().st_mtime for path in found)
            if age > _STRAY_SECONDS and not any(map(_processes, found)):
                _remove_cgroups(found)


def _container_cgroups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    parents = (root, *root.iterdir())  # v2, and each hierarchy of v1
    return [path for parent in parents for path in parent.glob("libpod_parent/libpod-*")]


def _processes(cgroup: Path) -> bool:
    return any(file.read_text() for file in cgroup.rglob("cgroup.procs"))


def _remove_cgroups(cgroups: Iterable[Path]) -> None:
    for path in cgroups:
        for inner in sorted(filter(Path.is_dir, path.rglob("*")), reverse=True):
            inner.rmdir()
        path.rmdir()


@contextmanager
def own_machine() -> Iterator[OwnMachine]:
    """A machine with no network but loopback, and with no rules, containers or volumes."""
    remove_stray_cgroups()
    with subprocess.Popen(
        ["unshare", *_FRESH, "sh", str(_SETUP)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as outer:
        assert outer.stdin
        assert outer.stdout
        assert outer.stdout.readline() == "ready\n"
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        target = ("nsenter", f"--target={children[0]}", "--net", "--mount", "--pid")
        try:
            yield (machine := OwnMachine(target))
            known = machine.run("podman", "ps", "--all", "--quiet", "--no-trunc").split()
        finally:
            outer.stdin.close()
            outer.wait()
        _remove_cgroups(
            path for path in _container_cgroups() if path.name.removeprefix("libpod-") in known
        )
