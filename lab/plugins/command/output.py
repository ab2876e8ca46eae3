"""What a command wrote, and the error text of one that failed."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.engine.values import Properties
from lab.plugins.engine_log import LineFeed
from lab.plugins.refused import RefusedError

PREVIOUS = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}
"""The variables in which a command finds what the one before it wrote."""

_LOGGED: Mapping[str, frozenset[str]] = {
    "stdout": frozenset({"stdout"}),
    "stderr": frozenset({"stderr"}),
    "stdoutAndStderr": frozenset({"stdout", "stderr"}),
    "none": frozenset(),
}


@dataclass
class Output:
    """Takes a command's output as it comes, and passes on to the feed what is to be logged."""

    feed: LineFeed
    logging: str | None = None
    _parts: list[tuple[str, bytes]] = field(default_factory=list)

    def write(self, stream: str, data: bytes) -> None:
        """Take what came on "stdout" or "stderr"."""
        self._parts.append((stream, data))
        if stream in _LOGGED[self.logging or "stdoutAndStderr"]:
            self.feed.feed(stream, data)

    def properties(self) -> Properties:
        """The outputs stdout and stderr, each without one trailing newline."""
        return {stream: self._text(stream).removesuffix("\n") for stream in PREVIOUS}

    def failure(self, cause: str, command: str) -> RefusedError:
        """The error of a failed command: its cause, the command, and all that it wrote."""
        return RefusedError(f"{cause}: running {go_quoted(command)}:\n{self._text()}")

    def _text(self, stream: str | None = None) -> str:
        data = b"".join(part for name, part in self._parts if stream in (None, name))
        return data.decode(errors="replace")


def previous_output(inputs: Properties, state: Properties) -> dict[str, str]:
    """The variables with what the previous command wrote, unless they are not wanted."""
    if inputs.get("addPreviousOutputInEnv") is False:
        return {}
    return {name: state[stream] for stream, name in PREVIOUS.items() if state.get(stream)}


def new_id(prefix: str) -> str:
    """An id with 8 random hexadecimal digits, as Pulumi's ``NewUniqueHex`` gives."""
    return prefix + secrets.token_hex(4)


def go_quoted(text: str) -> str:
    """The text as Go's ``%q`` writes it."""
    quoted = json.dumps(text, ensure_ascii=False)
    quoted = quoted.replace("\x7f", r"\x7f")
    return re.sub(r"\\u00([01][0-9a-f])", _control_character, quoted)


def _control_character(escape: re.Match[str]) -> str:
    return {"07": r"\a", "0b": r"\v"}.get(escape[1], rf"\x{escape[1]}")
