"""How the local platform's scripts are run on the operator's machine."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_command import local

from components import scripts

SCRIPTS = Path(__file__).parent / "scripts"


def script(
    resource: str,
    names: Sequence[str],
    *,
    subject: str,
    variables: Mapping[str, pulumi.Input[str]],
    triggers: Sequence[pulumi.Input[str]],
    born_with: Mapping[str, pulumi.Input[str]] | None = None,
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """Run the last of `names` (those before it are what it uses) with `create`, later `delete`.

    A new value of one of `triggers` makes the thing anew. `born_with` are further variables, no
    secrets: one that is there keeps those it was made with.

    The script finds what `create` printed in PULUMI_COMMAND_STDOUT when it deletes.
    """
    return local.Command(
        resource,
        create=f"sh -s -- create {shlex.quote(subject)}",
        delete=f"sh -s -- delete {shlex.quote(subject)}",
        stdin=scripts.standard_input([SCRIPTS / name for name in names], variables),
        environment=born_with,
        triggers=list(triggers),
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions.merge(
            # Names and addresses are fixed: the old one goes before the new one can come.
            opts,
            pulumi.ResourceOptions(
                delete_before_replace=True, ignore_changes=["environment"] if born_with else None
            ),
        ),
    )
