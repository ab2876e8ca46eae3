"""What the official CLI needs beside its command: the stack, its salt, and plugins."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path

from stacks import scalars
from tools.files import write_private
from tools.https import unreachable
from tools.messages import ToolError
from tools.paths import LAB_PLUGINS, PROJECT, State
from tools.releases import PULUMI
from tools.stackfile import StackFile

_PLUGIN = "pulumi-resource-"
_SALT_KEY = "encryptionsalt"
_SALT_LINE = re.compile(rf"^{_SALT_KEY}:.*\n?", re.MULTILINE)


def ensure(cli: Path, stack: StackFile, config: Path, env: Mapping[str, str], state: State) -> None:
    """Makes the stack in the clone's backend if it is not there, its salt in `config`.

    `pulumi stack init` writes the salt beside Pulumi.yaml: so it runs in a folder of its own,
    where there is nothing of the user's to change.
    """
    if state.checkpoint(stack.name).exists():
        return
    with tempfile.TemporaryDirectory(dir=state.made(), prefix=".init-") as name:
        folder = Path(name)
        (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        own = folder / config.name
        write_private(own, config.read_text())
        init = ["stack", "init", stack.name, "--no-select", "--secrets-provider", "passphrase"]
        done = subprocess.run(
            [str(cli), "--non-interactive", *init],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolError(
                f"stack {stack.name}",
                f"the Pulumi CLI could not make it: {done.stderr.strip()}",
                "put the cause right and try again",
            )
        _take_salt(own, config)


def plugin_path(env: Mapping[str, str], state: State) -> tuple[dict[str, str], str | None]:
    """The environment with the lab's plugins on the PATH in place of those that cannot be had.

    For stacks on this machine only. A plugin on the PATH wins over an installed one: so only those
    that are missing are put there. Gives also the words for the user, or None when the CLI has its
    own plugins or can download them.
    """
    installed = Path(env["PULUMI_HOME"]) / "plugins"
    missing = [
        name
        for name, version in wanted_plugins()
        if not (installed / f"resource-{name}-v{version}").is_dir()
    ]
    if not missing:
        return dict(env), None
    if (reason := unreachable(PULUMI.base)) is None:
        return dict(env), None
    words = f"the lab's plugins for {', '.join(missing)}: {reason}"
    return _first_on_path(_linked(missing, state), env), words


def with_lab_plugins(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with all of the lab's plugins first on the PATH."""
    return _first_on_path(LAB_PLUGINS, env)


def _first_on_path(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    return {**env, "PATH": f"{folder}{os.pathsep}{env.get('PATH', os.defpath)}"}


def _linked(plugins: list[str], state: State) -> Path:
    """A folder with links to these plugins of the lab alone.

    Named after them, so that a command that runs beside this one never loses its own.
    """
    state.made()
    folder = state.plugins / "+".join(sorted(plugins))
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f"{_PLUGIN}{plugin}" for plugin in plugins):
        link = folder / f".{name}.{os.getpid()}"
        link.symlink_to(LAB_PLUGINS / name)
        link.replace(folder / name)
    return folder


def lab_plugins() -> list[str]:
    """The packages that the lab has a plugin for: what a stack on this machine uses."""
    return sorted(path.name.removeprefix(_PLUGIN) for path in LAB_PLUGINS.glob(f"{_PLUGIN}*"))


def wanted_plugins() -> Iterator[tuple[str, str]]:
    """Name and version of each plugin of a local stack, as the installed SDKs ask for it."""
    for name in lab_plugins():
        for file in distribution(f"pulumi-{name}").files or ():
            if file.name == "pulumi-plugin.json":
                plugin = json.loads(Path(str(file.locate())).read_text())
                yield plugin["name"], plugin["version"].removeprefix("v")


def _take_salt(own: Path, config: Path) -> None:
    """Puts the salt that the CLI left in `own` into `config`, whose comments and order stay."""
    salt = scalars.load(own.read_text()).get(_SALT_KEY)
    if salt is None:
        raise ToolError(
            own.name, "the Pulumi CLI left no salt in it", "report this with `pulumi version`"
        )
    kept = _SALT_LINE.sub("", config.read_text())
    write_private(config, f"{kept.rstrip()}\n{scalars.dump({_SALT_KEY: salt})}")
