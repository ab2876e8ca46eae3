"""What the official CLI needs beside its command: the stack, its salt, and plugins."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path

import yaml

from tools.files import write_private
from tools.https import unreachable
from tools.messages import ToolError
from tools.paths import CLONE, PROJECT, State
from tools.releases import PULUMI
from tools.stackfile import StackFile

LAB_PLUGINS = CLONE / "lab" / "plugins" / "bin"
# What a stack on this machine uses; the plugins of the clouds are never replaced.
LOCAL_PLUGINS = ("command", "random", "tls")


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


def plugin_path(env: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """The environment with the lab's plugins on the PATH where the real ones cannot be had.

    For stacks on this machine only. Gives also the words for the user, or None when the CLI has
    its own plugins or can download them.
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
    return with_lab_plugins(env), f"the lab's plugins for {', '.join(missing)}: {reason}"


def with_lab_plugins(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with the lab's plugins first on the PATH."""
    return {**env, "PATH": f"{LAB_PLUGINS}{os.pathsep}{env.get('PATH', os.defpath)}"}


def wanted_plugins() -> Iterator[tuple[str, str]]:
    """Name and version of each plugin of a local stack, as the installed SDKs ask for it."""
    for name in LOCAL_PLUGINS:
        for file in distribution(f"pulumi-{name}").files or ():
            if file.name == "pulumi-plugin.json":
                plugin = json.loads(Path(str(file.locate())).read_text())
                yield plugin["name"], plugin["version"].removeprefix("v")


def _take_salt(own: Path, config: Path) -> None:
    salt = yaml.safe_load(own.read_text()).get("encryptionsalt")
    if salt is None:
        raise ToolError(
            own.name, "the Pulumi CLI left no salt in it", "report this with `pulumi version`"
        )
    content = yaml.safe_load(config.read_text())
    write_private(config, yaml.safe_dump({**content, "encryptionsalt": salt}, sort_keys=False))
