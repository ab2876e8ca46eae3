"""The engine that drives the program: the official Pulumi CLI first, else the lab's engine.

Both keep the same state in the same place, so a stack can be driven by either in turn.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import processes, pulumi_cli, pulumi_stack
from tools.messages import ToolError
from tools.paths import Cache, State
from tools.stackfile import StackFile

# What `make` asks of the CLI for a stack on this machine: no question, and no second preview.
_UNASKED = {
    "preview": (),
    "up": ("--yes", "--skip-preview"),
    "refresh": ("--yes", "--skip-preview"),
    "destroy": ("--yes", "--skip-preview"),
}
_INTERRUPTED = 130  # the shell's way of saying SIGINT; the lab's engine keeps to it


@dataclass(frozen=True)
class Engine:
    """`name` is pulumi or lab; `why` tells the user why it was taken."""

    name: str
    why: str
    executable: Path | None = None
    notes: tuple[str, ...] = field(default=())

    def announcement(self) -> str:
        """The one line that says which engine was taken."""
        return f"engine: {self.name} ({'; '.join((self.why, *self.notes))})"

    def command(self, operation: str, stack: StackFile, config: Path) -> list[str]:
        """The command line of preview, up, refresh or destroy."""
        which = ["--stack", stack.name, "--config-file", str(config)]
        if self.executable is None:
            return [sys.executable, "-m", "lab.engine", operation, *which]
        # A stack on a cloud is the user's own: the CLI shows its plan there and asks.
        unasked = (*_UNASKED[operation], "--non-interactive") if stack.is_local else ()
        return [str(self.executable), operation, *which, *unasked]

    def outputs_command(self, stack: StackFile, config: Path, *flags: str) -> list[str]:
        """The command line that prints the stack's outputs."""
        if self.executable is None:
            which = ["--stack", stack.name, "--config-file", str(config)]
            return [sys.executable, "-m", "lab.engine", "outputs", *which, *flags]
        return [str(self.executable), "stack", "output", "--stack", stack.name, *flags]

    def run(
        self, operation: str, stack: StackFile, config: Path, env: Mapping[str, str], state: State
    ) -> None:
        """Runs the operation with live output. Raises ToolError when it fails."""
        if self.executable is not None and stack.is_local:
            pulumi_stack.ensure(self.executable, stack, config, env, state)
        code = processes.run(self.command(operation, stack, config), env)
        if code == _INTERRUPTED:
            raise ToolError(
                f"stack {stack.name}",
                "it was interrupted; what was done until then is in its state",
                f"run `make {operation} STACK={stack.name}` again to go on, or `make destroy`",
            )
        if code != 0:
            raise ToolError(
                f"stack {stack.name}",
                f"the {self.name} engine ended with exit code {code}, see above",
                f"put the cause right and run `make {operation} STACK={stack.name}` again",
            )

    def outputs(self, stack: StackFile, config: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """The stack's outputs, secrets in clear. Raises ToolError."""
        flags = ("--json", "--show-secrets")
        code, printed = processes.read(self.outputs_command(stack, config, *flags), env)
        if code != 0:
            raise ToolError(
                f"stack {stack.name}",
                f"the {self.name} engine ended with exit code {code}, see above",
                f"make the stack first: make up STACK={stack.name}",
            )
        outputs: dict[str, Any] = json.loads(printed)
        return outputs


def choose(stack: StackFile, cache: Cache, made_with: str | None) -> Engine:
    """ENGINE= decides, else what is there or can be had. Raises ToolError when there is none."""
    forced = os.environ.get("ENGINE") or None
    if forced not in (None, "pulumi", "lab"):
        raise ToolError(
            f"ENGINE={forced}", "there is no such engine", "write ENGINE=pulumi or ENGINE=lab"
        )
    if forced == "lab":
        _refuse_clouds(stack, "ENGINE=lab")
        return Engine("lab", "ENGINE=lab")
    cli, why = _official(cache, skip_download=made_with == "lab" and forced is None)
    if cli is not None:
        return Engine("pulumi", why, cli)
    if forced == "pulumi":
        raise ToolError(
            "ENGINE=pulumi", why, "install Pulumi (https://www.pulumi.com/docs/install/)"
        )
    _refuse_clouds(stack, why)
    return Engine("lab", why)


def _official(cache: Cache, *, skip_download: bool) -> tuple[Path | None, str]:
    cli, why = pulumi_cli.on_path()
    if cli is not None:
        return cli, why
    pinned = f"v{pulumi_cli.pinned_version()}"
    if cli := pulumi_cli.downloaded(cache.cli):
        return cli, f"{pinned} in the cache folder"
    if skip_download:
        return None, f"{why}, and the lab's engine made the stack"
    if reason := pulumi_cli.cannot_download():
        return None, f"{why} and {reason}"
    return pulumi_cli.download(cache.cli), f"{pinned}, downloaded"


def _refuse_clouds(stack: StackFile, why: str) -> None:
    if not stack.is_local:
        raise ToolError(
            f"stack {stack.name} on {stack.platform} with the lab's engine ({why})",
            "that engine is for nodes on this machine",
            "install Pulumi (https://www.pulumi.com/docs/install/)",
        )
