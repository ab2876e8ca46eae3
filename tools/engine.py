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

_INSTALL = "install Pulumi (https://www.pulumi.com/docs/install/)"
_CHANGING = ("up", "refresh", "destroy")
_INTERRUPTED = 130  # the shell's way of saying SIGINT; the lab's engine keeps to it


class EngineError(ToolError):
    """An operation that the engine began and could not do; it has said why."""


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

    def command(
        self, operation: str, stack: StackFile, config: Path, *, unattended: bool = False
    ) -> list[str]:
        """The command line of preview, up, refresh or destroy.

        A stack on this machine is changed without a question or a second preview. One on a cloud
        is the user's own, in the user's own backend and stack file: the CLI shows its plan there
        and asks, unless `unattended`.
        """
        if self.executable is None:
            return [sys.executable, "-m", "lab.engine", operation, *_which(stack, config)]
        argv = [str(self.executable), operation]
        yes = ("--yes",) if operation in _CHANGING else ()
        if not stack.is_local:
            unasked = (*yes, "--non-interactive") if unattended else ()
            return [*argv, "--stack", stack.name, *unasked]
        unseen = ("--skip-preview",) if operation in _CHANGING else ()
        return [*argv, *_which(stack, config), *yes, *unseen, "--non-interactive"]

    def outputs_command(self, stack: StackFile, config: Path, *flags: str) -> list[str]:
        """The command line that prints the stack's outputs."""
        if self.executable is None:
            return [
                *(sys.executable, "-m", "lab.engine", "outputs"),
                *(*_which(stack, config), *flags),
            ]
        return [str(self.executable), "stack", "output", "--stack", stack.name, *flags]

    def run(
        self,
        operation: str,
        stack: StackFile,
        config: Path,
        env: Mapping[str, str],
        state: State,
        *,
        unattended: bool = False,
    ) -> None:
        """Runs the operation with live output. Raises ToolError: EngineError when it fails."""
        if self.executable is not None and stack.is_local:
            pulumi_stack.ensure(self.executable, stack, config, env, state)
        code = processes.run(self.command(operation, stack, config, unattended=unattended), env)
        if code == _INTERRUPTED:
            raise ToolError(
                f"stack {stack.name}",
                "it was interrupted; what was done until then is in its state",
                f"run `make {operation} STACK={stack.name}` again to go on, or `make destroy`",
            )
        if code != 0:
            raise EngineError(
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
                not_made_yet(stack),
            )
        outputs: dict[str, Any] = json.loads(printed)
        return outputs


def not_made_yet(stack: StackFile) -> str:
    """What to do about a stack of which the engine knows nothing."""
    first = "" if stack.is_local else "log in to the backend that has it (`pulumi login`), or "
    return f"{first}run `make up STACK={stack.name}`"


def forced() -> str | None:
    """What ENGINE= says. Raises ToolError for an engine that there is not."""
    name = os.environ.get("ENGINE") or None
    if name not in (None, "pulumi", "pinned", "lab"):
        raise ToolError(
            f"ENGINE={name}",
            "there is no such engine",
            "write ENGINE=pulumi, ENGINE=pinned (the CLI at this project's version) or ENGINE=lab",
        )
    return name


def refuse_forced_lab(stack: StackFile) -> None:
    """Raises ToolError for ENGINE=lab and nodes elsewhere: known before anything is looked for."""
    if forced() == "lab" and not stack.is_local:
        raise ToolError(
            f"ENGINE=lab for stack {stack.name} on {stack.platform}",
            "the lab's engine is for nodes on this machine alone",
            "leave ENGINE= out: the official Pulumi CLI drives this stack",
        )


def choose(stack: StackFile, cache: Cache, made_with: str | None) -> Engine:
    """ENGINE= decides, else what is there or can be had. Raises ToolError when there is none."""
    refuse_forced_lab(stack)
    if forced() == "lab":
        return Engine("lab", "ENGINE=lab")
    # Only a stack on this machine can have been made by the lab's engine.
    skip = stack.is_local and made_with == "lab" and forced() is None
    cli, why = _official(cache, skip_download=skip)
    if cli is not None:
        return Engine("pulumi", why, cli)
    if forced() is not None:
        raise ToolError(f"ENGINE={forced()}", why, _INSTALL)
    if not stack.is_local:
        raise ToolError(
            f"stack {stack.name} on {stack.platform}",
            f"only the official Pulumi CLI drives it, and {why}",
            _INSTALL,
        )
    return Engine("lab", why)


def _which(stack: StackFile, config: Path) -> tuple[str, ...]:
    return "--stack", stack.name, "--config-file", str(config)


def _official(cache: Cache, *, skip_download: bool) -> tuple[Path | None, str]:
    why = "it is not in the cache folder"
    if forced() != "pinned":
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
