"""One step on a node: one script, one SSH session, bounded in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pulumi
from pulumi_command import remote

from components import scripts
from components.platforms.machine import Ssh

_SCRIPTS = Path(__file__).parent / "scripts"
# One script of a step at a time, whatever a run that was killed has left behind.
TURN = _SCRIPTS / "turn.sh"


class Reached(Protocol):
    """A machine, so far as a step needs it."""

    @property
    def ssh(self) -> Ssh: ...


@dataclass(frozen=True, kw_only=False)
class Step:
    """A script of `folder`, by its name, and the seconds after which it is cut off.

    `parts` are further scripts of k3s's own folder, whose functions it uses, `own` further ones of
    its own.
    `removable` scripts also answer `delete`, `updatable` ones `update`; the others are created
    again when something has changed. Where `creates` is False, nothing runs before that.
    With `secret_output` nothing that the script prints is shown while it runs, and its output is
    secret in the state.
    """

    name: str
    seconds: int
    parts: tuple[str, ...] = ()
    removable: bool = False
    updatable: bool = False
    creates: bool = True
    secret_output: bool = False
    folder: Path = _SCRIPTS
    own: tuple[str, ...] = ()

    def on(
        self,
        resource: str,
        machine: Reached,
        *,
        subject: str,
        variables: Mapping[str, pulumi.Input[str]],
        triggers: Sequence[pulumi.Input[str]] = (),
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """Run it on `machine` about the node `subject`; `triggers` run it anew, old one first."""
        return remote.Command(
            resource,
            connection=machine.ssh.connection(),
            create=self._command(machine, "create", subject) if self.creates else None,
            update=self._command(machine, "update", subject) if self.updatable else None,
            delete=self._command(machine, "delete", subject) if self.removable else None,
            stdin=scripts.standard_input(
                [
                    _SCRIPTS / "lib.sh",
                    TURN,
                    *(_SCRIPTS / f"{part}.sh" for part in self.parts),
                    *(self.folder / f"{part}.sh" for part in (*self.own, self.name)),
                ],
                {"NODE": subject, "STEP": self.name, **scripts.turn(self.seconds), **variables},
            ),
            triggers=list(triggers) or None,
            # The step's progress goes to standard error, its result to standard output.
            logging=remote.Logging.NONE if self.secret_output else remote.Logging.STDERR,
            # sshd takes no variables from outside, and a result may be a secret.
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(
                    additional_secret_outputs=["stdout", "stderr"] if self.secret_output else None,
                    delete_before_replace=True,
                ),
                opts,
            ),
        )

    def _command(self, machine: Reached, action: str, subject: str) -> str:
        return scripts.command(
            action, f"{self.name}:{subject}", user=machine.ssh.user, seconds=self.seconds
        )
