"""The comment of a pull request: what the previews of its stacks say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# An HTML comment, which GitHub does not show: by it the comment is found again.
MARKER = "<!-- previews of the stacks -->"
# GitHub refuses a comment of more than 65,536 characters.
LIMIT = 60_000
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FENCE = re.compile(r"`{3,}")
# `+ 45 to create`, `+-1 to replace`, `2 errored`; and the last, `46 changes. 3 unchanged`.
_COUNT = re.compile(r"(?:[-+~<>=]{1,2} ?)?\d+ \S.*")
_SUM = re.compile(r"\d+ changes?|.*unchanged")


@dataclass(frozen=True)
class Preview:
    """What became of a stack's preview: success, failure, or skipped when a step before failed."""

    stack: str
    outcome: str
    log: str

    @property
    def summary(self) -> str:
        """In a few words: the counts that the CLI ends with, such as `+ 45 to create`."""
        if self.outcome == "success":
            return ", ".join(f"`{line}`" for line in counts(self.log)) or "no change"
        if self.outcome == "failure":
            return "**failed**, see below"
        return "**not made**: a step before it failed, see the run"


def read(folder: Path, stacks: Sequence[str]) -> list[Preview]:
    """The previews that the jobs have left: `<stack>.log` and `<stack>.outcome`."""
    return [
        Preview(stack, _text(folder / f"{stack}.outcome").strip(), _text(folder / f"{stack}.log"))
        for stack in stacks
    ]


def comment(previews: Sequence[Preview], *, commit: str, run_url: str) -> str:
    """The comment's Markdown, within GitHub's limit."""
    run = f"Commit {commit[:10]} · [the run]({run_url})"
    if not previews:
        return f"{MARKER}\n### Previews\n\nThis pull request changes no stack.\n\n{run}\n"
    table = ["| stack | preview |", "| --- | --- |"]
    table += [f"| {preview.stack} | {preview.summary} |" for preview in previews]
    head = "\n".join([MARKER, "### Previews", "", *table])
    room = (LIMIT - len(head)) // len(previews)
    details = [_details(preview, room) for preview in previews if preview.log.strip()]
    return "\n\n".join([head, *details, run]) + "\n"


def counts(log: str) -> list[str]:
    """The lines under `Resources:`, such as `+ 45 to create`, without the sums.

    In the form of Pulumi's pkg/backend/display/diff.go, renderSummaryEvent.
    """
    lines = iter(_plain(log).splitlines())
    for line in lines:
        if line.strip() == "Resources:":
            break
    found = []
    for line in lines:
        text = line.strip()
        if not _COUNT.fullmatch(text):
            break
        if not _SUM.fullmatch(text):
            found.append(text)
    return found


def _details(preview: Preview, room: int) -> str:
    log = _plain(preview.log).strip()
    fence = "`" * (1 + max([2, *map(len, _FENCE.findall(log))]))
    opened = " open" if preview.outcome != "success" else ""
    before = f"<details{opened}><summary>{preview.stack}</summary>\n\n{fence}text\n"
    after = f"\n{fence}\n\n</details>"
    return before + _shortened(log, room - len(before) - len(after)) + after


def _shortened(log: str, room: int) -> str:
    """The log, its middle left out where there is no room: its end says why it failed."""
    if len(log) <= room:
        return log
    words = "\n... {} characters left out, see the run ...\n"
    part = max(0, (room - len(words) - 10) // 2)
    left_out = len(log) - 2 * part
    return log[:part] + words.format(left_out) + log[len(log) - part :]


def _plain(log: str) -> str:
    return _COLOURS.sub("", log).replace("\r\n", "\n")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
