"""Which stacks a change is about: what a pull request previews, and what a merge brings up.

Stacks on this machine are nobody's but their user's, and are never named.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from tools import stackfile
from tools.messages import ToolError, say
from tools.paths import CLONE

# What every stack is made of: a change here can change each of them.
PROGRAM = (
    *("__main__.py", "Pulumi.yaml", "requirements.txt"),
    *("components/*", "stacks/*", "workloads/*"),
)
_COMMIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/^~-]*")


def between(base: str, head: str, clone: Path = CLONE) -> list[str]:
    """Names of the stacks on clouds that `head` changes as against `base`, sorted.

    All of them for a base that is empty or not an ancestor of head: then nobody knows what was
    done. Raises ToolError when head is an ancestor of base, as something newer is there already.
    """
    clouds = _cloud_stacks(head, clone)
    if not base:
        say(f"no commit to compare {head} with: all stacks")
        return sorted(clouds)
    if not _is_ancestor(base, head, clone):
        _refuse_older(base, head, clone)
        say(f"{base} is not in the history of {head}: all stacks")
        return sorted(clouds)
    return affected(_names(clone, "diff", "--no-renames", base, head), clouds)


def gone(base: str, head: str, clone: Path = CLONE) -> list[str]:
    """Names of the stacks whose files `head` has taken away: their clusters are there still."""
    if not base or not _is_ancestor(base, head, clone):
        return []
    deleted = _names(clone, "diff", "--no-renames", "--diff-filter=D", base, head)
    return sorted(filter(None, map(stackfile.name_of, deleted)))


def affected(files: Iterable[str], clouds: Iterable[str]) -> list[str]:
    """The stacks out of `clouds` that the changed files are about, sorted."""
    found: set[str] = set()
    for file in files:
        if any(fnmatch(file, pattern) for pattern in PROGRAM):
            return sorted(clouds)
        name = stackfile.name_of(file)
        if name is not None:
            found.add(name)
    return sorted(found & set(clouds))


def _cloud_stacks(commit: str, clone: Path) -> Mapping[str, stackfile.StackFile]:
    """The stacks of a commit, by name, that have nodes elsewhere than on this machine."""
    stacks = {}
    for file in _names(clone, "ls-tree", _checked(commit)):
        if name := stackfile.name_of(file):
            text = _git(clone, "show", f"{commit}:{file}")
            stacks[name] = stackfile.parse(name, Path(file), text)
    return {name: stack for name, stack in stacks.items() if not stack.is_local}


def _is_ancestor(older: str, newer: str, clone: Path) -> bool:
    """Whether `newer` is `older` or comes after it; False for commits that are not there."""
    words = ("merge-base", "--is-ancestor", _checked(older), _checked(newer))
    return _run(clone, words).returncode == 0


def _refuse_older(base: str, head: str, clone: Path) -> None:
    if _is_ancestor(head, base, clone):
        raise ToolError(
            f"{head}, which is older than {base}",
            "what is newer has been done already, and this would undo it",
            "start from the newest commit of the branch",
        )


def _checked(commit: str) -> str:
    """The commit, when git cannot take it for an option."""
    if not _COMMIT.fullmatch(commit):
        raise ToolError(f"commit {commit!r}", "that is none", "write a SHA, a branch or HEAD^1")
    return commit


def _names(clone: Path, command: str, *words: str) -> list[str]:
    """The files that a command of git lists."""
    listed = _git(clone, command, "--name-only", "-z", *words)
    return [name for name in listed.split("\0") if name]


def _git(clone: Path, *words: str) -> str:
    """What git prints. Raises ToolError with its own words when it cannot do it."""
    done = _run(clone, words)
    if done.returncode != 0:
        raise ToolError(
            f"git {' '.join(words)}",
            done.stderr.strip() or f"it ended with exit code {done.returncode}",
            "check the commits, and that the checkout is deep enough to hold both (fetch-depth)",
        )
    return done.stdout


def _run(clone: Path, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["git", *words], cwd=clone, capture_output=True, text=True, encoding="utf-8", check=False
    )
