"""The command provider: commands on this machine and over SSH, and copies over SFTP.

Meaning of every input: pulumi/pulumi-command v1.2.1, ``provider/pkg/provider``.
"""

from pulumi_command import local as local_sdk
from pulumi_command import remote as remote_sdk

from lab.plugins.command.copy import CopyToRemote
from lab.plugins.command.local import LocalCommand, LocalRun
from lab.plugins.command.remote import RemoteCommand
from lab.plugins.sdk import inputs_of
from lab.plugins.serve import Provider


def provider(engine: str | None) -> Provider:
    """The plugin, with the address of the engine that started it."""
    local = inputs_of(local_sdk.CommandArgs, "local.Command")
    remote = inputs_of(remote_sdk.CommandArgs, "remote.Command")
    copy = inputs_of(remote_sdk.CopyToRemoteArgs, "remote.CopyToRemote")
    run = LocalRun(local)
    return Provider(
        "command",
        {
            "command:local:Command": LocalCommand(local),
            "command:remote:Command": RemoteCommand(remote),
            "command:remote:CopyToRemote": CopyToRemote(copy),
        },
        {"command:local:run": (run.check, run.call)},
        engine,
    )
