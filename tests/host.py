"""What this machine is like, so far as running nodes on it could change it."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

Facts = Mapping[str, frozenset[str]]

# Counters and identifiers under /proc/sys that change by themselves.
_VOLATILE = (
    "fs/aio-nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-",
    "fs/quota",
    "kernel/hung_task_detect_count",
    "kernel/ns_last_pid",
    "kernel/perf_event_max_sample_rate",  # lowered on a machine that is too busy for it
    "kernel/pty/nr",
    "kernel/random",
    "net/netfilter/nf_conntrack_count",
    "net/ipv4/tcp_fastopen_key",
)
_IS_OF_ALL = re.compile("/conf/(all|default)/")
# What a rule has counted, and what is left of a route's time: other containers on this machine go
# on while the tests run.
_COUNTED = re.compile(r"\b(?:counter packets \d+ bytes|expires) \d+\w*")
# The kernel takes networks and processes apart some time after they have been given up.
_SETTLING_SECONDS = 60


def facts() -> Facts:
    """Settings, rules, routes, links, mounts, and what Podman and its containers leave."""
    found = {
        "sysctl": frozenset(_sysctls()),
        "mount": frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        "cgroup": frozenset(map(str, _container_cgroups())),
        "process": frozenset(_container_processes()),
    }
    for name, command in {
        "iptables": "iptables-save",
        "ip6tables": "ip6tables-save",
        "nftables": "nft list ruleset",
        "route": "ip -4 route show table all",
        "route, IPv6": "ip -6 route show table all",
        "rule": "ip rule",
        "link": "ip -br link",
        "network namespace": "ip netns",
        "container": "podman ps --all --format {{.Names}}",
        "network": "podman network ls --format {{.Name}}",
        "volume": "podman volume ls --format {{.Name}}",
    }.items():
        found[name] = frozenset(_lines(command))
    return found


def differences(before: Facts, after: Facts) -> list[str]:
    """What came and what went, a line each."""
    return [
        f"{kind} {change}: {line}"
        for kind in before
        for change, lines in (
            ("left", after[kind] - before[kind]),
            ("gone", before[kind] - after[kind]),
        )
        for line in sorted(lines)
    ]


def left(before: Facts, *mine: str, look: Callable[[], Facts] = facts) -> list[str]:
    """What is still different when all has had its time to go, a line each.

    Where other containers came or went meanwhile, only lines with one of the words `mine` tell.
    """
    deadline = time.monotonic() + _SETTLING_SECONDS
    while (found := _without_others(before, look(), mine)) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def _without_others(before: Facts, after: Facts, mine: Sequence[str]) -> list[str]:
    found = differences(before, after)
    changed = before["container"] ^ after["container"]
    if mine and any(not any(word in name for word in mine) for name in changed):
        print("other containers came or went: only what names this stack is looked at")
        return [line for line in found if any(word in line for word in mine)]
    return found


def _lines(command: str) -> Iterator[str]:
    words = command.split()
    if not shutil.which(words[0]):
        return
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        # Comments hold the time, and [12:345] of a chain is a counter.
        if line.strip() and not line.startswith("#"):
            yield _COUNTED.sub("counter", line.split(" [")[0])


def _sysctls() -> Iterator[str]:
    root = Path("/proc/sys")
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            key = str(path.relative_to(root))
            if key.startswith(_VOLATILE) or _is_of_one_interface(key):
                continue
            try:
                yield f"{key} = {path.read_text().strip()}"
            except OSError:
                continue  # written only, or not for this kernel


def _is_of_one_interface(key: str) -> bool:
    """Such settings come and go with the interface; that none is left is told by the links."""
    return "/neigh/" in key or ("/conf/" in key and not _IS_OF_ALL.search(key))


def _container_cgroups() -> Iterator[Path]:
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        yield from (Path(folder) / name for name in names if "libpod" in name or "kubepods" in name)


def _container_processes() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            cgroup = (entry / "cgroup").read_text()
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it has ended in between
        if "libpod" in cgroup or "pulumi-resource" in arguments or "lab.plugins" in arguments:
            yield f"{entry.name} {arguments}"
