"""Who is not root on a host must become it: looked at once, before the first step."""

from pathlib import Path

import pulumi
from pulumi_command import remote

from components import scripts
from components.platforms.existing.hosts import JumpHost
from components.platforms.machine import Ssh

_SCRIPT = Path(__file__).parent / "scripts" / "sudo.sh"
_SECONDS = 30


def checked(
    name: str, host: JumpHost, ssh: Ssh, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """The host's address, known when the user of `ssh` may become root there."""
    if host.user == "root":
        return ssh.host
    looked = remote.Command(
        f"{name}-sudo",
        connection=ssh.connection(),
        # Not by way of sudo, as every other step.
        create=scripts.command("create", f"sudo:{name}", user="root", seconds=_SECONDS),
        stdin=scripts.standard_input([_SCRIPT], {"NODE": name}),
        logging=remote.Logging.NONE,
        add_previous_output_in_env=False,
        opts=opts,
    )
    # Secret only for the key that the connection holds.
    return pulumi.Output.unsecret(looked.stdout).apply(lambda _: host.address)
