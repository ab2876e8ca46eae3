"""A machine of a test's own, so far as Podman is concerned: network, mounts, processes and store.

What nodes change on their host can so be compared exactly, whatever else runs on the real one,
and with any firewall. It ends with the process that made it, however that ends, and leaves nothing.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Takes away the cgroups of containers that ended with an earlier machine."""
    found = list(Path("/sys/fs/cgroup").glob("*/libpod_parent/libpod-*"))
    # Asked after looking: Podman knows a container before it makes its cgroups.
    known = subprocess.run(
        ["podman", "ps", "--all", "--quiet", "--no-trunc"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    for path in found:
        if path.name.removeprefix("libpod-") not in known:
            subprocess.run(
                ["find", str(path), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"],
                check=True,
            )


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
            yield OwnMachine(target)
        finally:
            outer.stdin.close()
            outer.wait()
            remove_stray_cgroups()
