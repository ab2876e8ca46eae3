"""What every engine is told: where state is, how secrets are locked, which Python runs."""

import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass

from tools import checkpoints
from tools.files import write_private
from tools.paths import Cache, State
from tools.stackfile import StackFile

_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def environment(stack: StackFile, state: State, cache: Cache) -> dict[str, str]:
    """The environment of an engine.

    A local stack lives in the clone's own file backend; the user's login is neither used nor
    changed. A stack on a cloud lives where the user's Pulumi keeps it: nothing is set for it.
    """
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if not stack.is_local:
        return env
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


def _passphrase_file(state: State) -> str:
    """The file with the passphrase of this clone's stacks, made at the first use."""
    if not state.passphrase.exists():
        write_private(state.passphrase, secrets.token_urlsafe(32) + "\n")
    return str(state.passphrase)


@dataclass(frozen=True)
class Choices:
    """Which engine and which k3s made a stack: later commands keep to them."""

    engine: str | None = None
    k3s: str | None = None


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
