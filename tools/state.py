"""What every engine is told: where state is, how secrets are locked, which Python runs."""

import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tools import checkpoints
from tools.files import write_private
from tools.messages import ToolError
from tools.paths import LAB_PLUGINS, Cache, State
from tools.stackfile import StackFile

_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def environment(stack: StackFile, state: State, cache: Cache) -> dict[str, str]:
    """The environment of an engine.

    A local stack lives in the clone's own file backend; the user's login is neither used nor
    changed. A stack on a cloud lives where the user's Pulumi keeps it: nothing is set for it, and
    the lab's plugins are taken off the PATH, where they would win over the real ones.
    """
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if not stack.is_local:
        return env | {"PATH": _without_lab_plugins(env.get("PATH", os.defpath), state)}
    cache.pulumi_home.mkdir(parents=True, exist_ok=True)
    state.made()
    state.backend.mkdir(exist_ok=True, mode=0o700)
    env |= {
        "PULUMI_BACKEND_URL": state.backend.as_uri(),
        "PULUMI_HOME": str(cache.pulumi_home),
        "LAB_PYTHON": sys.executable,
        "K3S_PULUMI_CACHE": str(cache.root),
    }
    if not stack.has_secrets:
        for name in _PASSPHRASES:
            env.pop(name, None)
        env["PULUMI_CONFIG_PASSPHRASE_FILE"] = _passphrase_file(state)
    return env


def refuse_own_backend(stack: StackFile, state: State) -> None:
    """The clone's backend is for stacks on this machine. Raises ToolError for another one in it."""
    if stack.is_local:
        return
    if os.environ.get("PULUMI_BACKEND_URL") == state.backend.as_uri():
        raise ToolError(
            f"stack {stack.name} on {stack.platform} with PULUMI_BACKEND_URL={state.backend}",
            "this folder's backend, and the passphrase beside it, are for stacks on this machine",
            "name a backend of yours, such as s3://BUCKET, or leave it out after `pulumi login`",
        )
    if checkpoints.has_resources(state.checkpoint(stack.name)):
        raise ToolError(
            f"stack {stack.name} on {stack.platform}",
            "what it made on this machine is still there, and its state is in this folder alone",
            f"put {stack.path.name} back, run `make destroy STACK={stack.name}`, then change it",
        )


def _without_lab_plugins(path: str, state: State) -> str:
    """The PATH without the folders that the lab's plugins are in."""
    places = (LAB_PLUGINS.resolve(), state.plugins.resolve())

    def is_the_labs(folder: str) -> bool:
        return any(Path(folder).resolve().is_relative_to(place) for place in places)

    return os.pathsep.join(
        folder for folder in path.split(os.pathsep) if not folder or not is_the_labs(folder)
    )


def _passphrase_file(state: State) -> str:
    """The file with the passphrase of this clone's stacks, made at the first use."""
    if not state.passphrase.exists():
        write_private(state.passphrase, secrets.token_urlsafe(32) + "\n")
    return str(state.passphrase)


@dataclass(frozen=True)
class Choices:
    """Which engine, k3s and charts made a stack: later commands keep to them."""

    engine: str | None = None
    k3s: str | None = None
    charts: str | None = None


def recall(stack: str, state: State) -> Choices:
    """The choices of a stack that was made; none for one of which nothing is there."""
    path = state.choices(stack)
    if not path.is_file() or not checkpoints.has_resources(state.checkpoint(stack)):
        return Choices()
    return Choices(**json.loads(path.read_text()))


def remember(stack: str, choices: Choices, state: State) -> None:
    """Records the choices, before the first resource is made."""
    write_private(state.choices(stack), json.dumps(asdict(choices)) + "\n")


def forget(stack: str, state: State) -> None:
    """After destroy: the next `make up` chooses anew."""
    state.choices(stack).unlink(missing_ok=True)
    state.kubeconfig(stack).unlink(missing_ok=True)
