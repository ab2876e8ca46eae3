"""What is done on a host that exists: a script over SSH, whoever the host's owner is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pulumi
from pulumi_command import remote

from components import scripts
from components.k3s.step import TURN
from components.platforms.machine import Ssh

_FOLDER = Path(__file__).parent / "scripts"


def files(*names: str) -> list[Path]:
    """The scripts of these names, the last of them the one that acts."""
    return [_FOLDER / "claim.sh", TURN, *(_FOLDER / f"{name}.sh" for name in names)]


def command(
    name: str,
    ssh: Ssh,
    step: str,
    script: Sequence[Path],
    variables: Mapping[str, pulumi.Input[str]],
    *,
    actions: Sequence[Literal["create", "update", "delete"]],
    seconds: int,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Runs the script on the host `name` for each of the actions, bounded by `seconds`.

    No triggers: they would replace the command, and its `delete` would look for the host that was
    there before, with its old key. A host that was made anew has another connection, which is
    enough for `create` to run again.
    """
    lines = {
        action: scripts.command(action, f"{step}:{name}", user=ssh.user, seconds=seconds)
        for action in actions
    }
    given = {"NODE": name, "STEP": step, **scripts.turn(seconds), **variables}
    return remote.Command(
        f"{name}-{step}",
        connection=ssh.connection(),
        create=lines.get("create"),
        update=lines.get("update"),
        delete=lines.get("delete"),
        stdin=scripts.standard_input(script, given),
        logging=remote.Logging.STDERR,
        add_previous_output_in_env=False,
        opts=opts,
    )
