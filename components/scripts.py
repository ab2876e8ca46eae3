"""How a shell script gets to where it runs.

The command is `sh -s -- ACTION SUBJECT`; assignments and script arrive on standard input. So no
secret is in an argument list, and a failing command's error text, which holds the command, stays
short. Scripts end in `main "$@" </dev/null`: no child can eat the rest of the script.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi


def compose(files: Sequence[Path], variables: Mapping[str, str]) -> str:
    """Assignments, then the files' texts in order: what `sh -s` reads.

    Raises ValueError for a variable that is not an upper-case shell name.
    """
    for name in variables:
        if not (name.isidentifier() and name.isupper()):
            raise ValueError(f"{name!r} is not an upper-case shell variable name")
    # A variable that the operator's environment exports would stay exported, and so reach children.
    fresh = f"unset {' '.join(variables)}\n" if variables else ""
    assignments = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
    return "".join([fresh, *assignments, *(file.read_text() for file in files)])


def standard_input(
    files: Sequence[Path], variables: Mapping[str, pulumi.Input[str]]
) -> pulumi.Output[str]:
    """The same over outputs; secret as soon as one of the variables is."""
    return pulumi.Output.all(**variables).apply(lambda known: compose(files, known))


def command(action: str, subject: str, *, user: str, seconds: int) -> str:
    """The command line of a script on a node, bounded in time, as root.

    `timeout` kills what still runs 10 s after the bound: a remote hang is not bounded otherwise.
    """
    as_root = "" if user == "root" else "sudo -n "
    return f"{as_root}timeout -k 10 {seconds} sh -s -- {action} {shlex.quote(subject)}"


def turn(seconds: int) -> dict[str, str]:
    """What turn.sh needs of a script that is bounded by `seconds`: it has half of them to wait."""
    return {"TURN_SECONDS": str(seconds // 2)}
