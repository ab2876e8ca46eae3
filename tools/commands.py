"""What each command does, in order."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import (
    charts,
    cluster_api,
    engine,
    inotify,
    interrupted,
    k3s_release,
    mistakes,
    packages,
    podman,
    processes,
    pulumi_stack,
    room,
    stackfile,
    state,
    unreached,
)
from tools.engine import Engine, EngineError
from tools.files import write_private
from tools.messages import ToolError, say
from tools.paths import Cache, State, cache, clone_state
from tools.stackfile import StackFile

_PATIENCE = 60.0
# They take the stack's lock.
_CHANGING = ("up", "refresh", "destroy")


@dataclass(frozen=True)
class Session:
    """One command on one stack: what was chosen, and what the engine is told."""

    stack: StackFile
    engine: Engine
    config: Path
    env: Mapping[str, str]
    state: State

    def run(self, operation: str, *, unattended: bool = False) -> None:
        """Runs an operation of the engine."""
        if self.stack.is_local and operation in _CHANGING:
            interrupted.put_right(self.stack.name, self.state, releases=operation != "destroy")
        try:
            self.engine.run(
                operation, self.stack, self.config, self.env, self.state, unattended=unattended
            )
        except EngineError:
            if operation in _CHANGING:
                self._tell_of_unreached()
            raise

    def _tell_of_unreached(self) -> None:
        """The machines of the stack that SSH does not get to, as far as they are known."""
        checkpoint = self.state.checkpoint(self.stack.name)
        if self.stack.is_local:
            ways = list(unreached.of_this_machine(self.stack, checkpoint))
        else:
            ways = list(unreached.existing(self.stack))
            with contextlib.suppress(ToolError):  # it may have failed before there were any
                outputs = self.engine.outputs(self.stack, self.config, self.env)
                ways += unreached.of_outputs(outputs)
        for line in unreached.told(ways):
            say(line)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear. Raises ToolError for a stack not made yet."""
        outputs = self.engine.outputs(self.stack, self.config, self.env)
        if "kubeconfig" not in outputs:
            raise _not_made(self.stack)
        return outputs


def up(name: str, *, unattended: bool = False) -> None:
    """Makes or changes the cluster; ends with its nodes, the seconds and the export line.

    Unattended it asks nothing, and leaves no kubeconfig on the machine that it runs on.
    """
    started = time.monotonic()
    session = _begin(name, makes_nodes=True, builds=True)
    session.run("up", unattended=unattended)
    if unattended:
        print(f"\nstack {name} is up after {time.monotonic() - started:.1f} s")
        return
    session.state.made()
    kubeconfig = str(session.outputs()["kubeconfig"])
    path = session.state.kubeconfig(name)
    write_private(path, kubeconfig)
    # A server that has been restarted meanwhile is back within this time.
    print(cluster_api.nodes_table(kubeconfig, patience=_PATIENCE))
    print(f"\nstack {name} is up after {time.monotonic() - started:.1f} s")
    print(f"export KUBECONFIG={path}")


def preview(name: str) -> None:
    """Shows what `up` would do."""
    _begin(name, builds=True).run("preview")


def refresh(name: str) -> None:
    """Compares the state with what there is."""
    _begin_made(name).run("refresh")


def destroy(name: str) -> None:
    """Takes away all that the stack made, and what `make` kept for it."""
    stack = stackfile.load(name)
    if stack.is_local and not clone_state().checkpoint(name).exists():
        say(f"stack {name} is not there: nothing to destroy")
        return
    session = _begin(name)
    session.run("destroy")
    state.forget(name, session.state)
    print(f"stack {name} is gone")


def outputs(name: str, *flags: str) -> None:
    """Prints the outputs; `flags` are --json and, for secrets in clear, --show-secrets."""
    session = _begin_made(name)
    argv = session.engine.outputs_command(session.stack, session.config, *flags)
    if processes.run(argv, session.env) != 0:
        raise _not_made(session.stack)


def kubeconfig(name: str) -> None:
    """Prints the kubeconfig alone."""
    print(str(_begin_made(name).outputs()["kubeconfig"]).rstrip("\n"))


def nodes(name: str) -> None:
    """Prints the nodes as the cluster's API has them."""
    print(cluster_api.nodes_table(str(_begin_made(name).outputs()["kubeconfig"])))


COMMANDS: Mapping[str, Callable[..., None]] = {
    command.__name__: command
    for command in (up, preview, refresh, destroy, outputs, kubeconfig, nodes)
}


def _begin_made(name: str) -> Session:
    """A session on a stack that must be there already."""
    stack = stackfile.load(name)
    if stack.is_local and not clone_state().checkpoint(name).exists():
        raise _not_made(stack)
    return _begin(name)


def _begin(name: str, *, makes_nodes: bool = False, builds: bool = False) -> Session:
    """Chooses the engine and k3s and sets up what the command needs of them.

    `builds`: the program will run, and so needs k3s's files. `makes_nodes`: it will also act.
    """
    stack, where, stored = stackfile.load(name), clone_state(), cache()
    engine.refuse_forced_lab(stack)
    state.refuse_own_backend(stack, where)
    if not stack.is_local:
        k3s_release.choose(stack, stored, None)  # refuses the lab's k3s
        charts.forced(stack)  # refuses the lab's charts
    if builds:
        mistakes.check(stack)
        if stack.is_local:
            room.check(where.root, stored.root)
    made = state.recall(name, where)
    if makes_nodes and stack.is_local:
        inotify.warn(stack)
        packages.ensure()
        podman.check()
    chosen = engine.choose(stack, stored, made.engine)
    env = state.environment(stack, where, stored)
    if stack.is_local:
        chosen, env = _with_plugins(chosen, env, where)
    say(chosen.announcement())
    if not stack.is_local:
        return Session(stack, chosen, stack.path, env, where)
    overrides: Mapping[str, Any] = {}
    if builds:
        made, overrides = _sources(stack, chosen, made, stored)
    if makes_nodes:
        say(f"node image: {processes.build('lab.nodes.build', 'the node image')}")
        state.remember(name, made, where)
    config = stackfile.generate(stack, overrides, where)
    return Session(stack, chosen, config, env, where)


def _sources(
    stack: StackFile, chosen: Engine, made: state.Choices, stored: Cache
) -> tuple[state.Choices, dict[str, Any]]:
    """Where k3s and the charts come from, and the settings that say so, once they are there."""
    k3s = k3s_release.choose(stack, stored, made.k3s)
    say(f"k3s: {k3s.source} ({k3s.why})")
    helm = charts.choose(stack, made.charts, k3s.source)
    if helm.source != "none":
        say(f"charts: {helm.source} ({helm.why})")
    overrides = k3s_release.overrides(k3s, stack, stored) | charts.overrides(helm, stack)
    return state.Choices(chosen.name, k3s.source, helm.source), overrides


def _with_plugins(
    chosen: Engine, env: Mapping[str, str], where: State
) -> tuple[Engine, dict[str, str]]:
    """The lab's plugins for the lab's engine, and for the CLI where it cannot have its own."""
    if chosen.executable is None:
        return chosen, pulumi_stack.with_lab_plugins(env)
    with_plugins, words = pulumi_stack.plugin_path(env, where)
    notes = (words,) if words else ()
    return Engine(chosen.name, chosen.why, chosen.executable, notes), with_plugins


def _not_made(stack: StackFile) -> ToolError:
    return ToolError(f"stack {stack.name}", "it has not been made yet", engine.not_made_yet(stack))
