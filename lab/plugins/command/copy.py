"""command:remote:CopyToRemote: a file, a text or a directory, over SFTP.

Where things go, as the real provider has it:

    source  remotePath is a directory   does not exist          is a file
    dir     remotePath/dir              remotePath/dir          refused
    dir/    remotePath/...              remotePath/...          refused
    file    remotePath/file             remotePath              overwritten
    text    refused                     remotePath              overwritten

Missing parent directories are made. Modes are not copied: new files get the server's default.
"""

import asyncssh
from typing_extensions import override

from lab.engine.values import ARCHIVE, ASSET, UNKNOWN, Properties, Value, reveal, signature
from lab.plugins.command.connection import dialled
from lab.plugins.command.hop import completed
from lab.plugins.command.inferred import Inferred
from lab.plugins.command.output import new_id
from lab.plugins.command.upload import upload, upload_text
from lab.plugins.refused import RefusedError
from lab.plugins.resource import Operation
from lab.plugins.shapes import Problem, bare


class CopyToRemote(Inferred):
    """Copies when it is made, and again when content or ``remotePath`` change."""

    @override
    def check(self, inputs: Properties) -> tuple[Properties, list[Problem]]:
        inputs, problems = super().check(inputs)
        if "connection" in inputs:
            inputs = inputs | {"connection": completed(inputs["connection"])}
        if not problems:
            problems = _source_problems(bare(inputs["source"]))
        return inputs, problems

    @override
    async def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        await _copy(operation, reveal(inputs))
        return new_id(""), inputs

    @override
    async def update(
        self, operation: Operation, state: Properties, inputs: Properties
    ) -> Properties:
        old, new = reveal(state), reveal(inputs)
        content_changed = old["source"].get("hash") != new["source"].get("hash")
        if content_changed or old["remotePath"] != new["remotePath"]:
            await _copy(operation, new)
        return inputs

    @override
    async def delete(self, operation: Operation, state: Properties) -> None:
        """What was copied stays, as with the real provider."""


def _source_problems(source: Value) -> list[Problem]:
    if source == UNKNOWN:
        return []
    if not source.get("path") and not (signature(source) == ASSET and "text" in source):
        valid = "FileAsset, StringAsset or FileArchive"
        if signature(source) == ARCHIVE:
            return [("source", f"an archive without a path was given — write a {valid}")]
        return [("source", f"a remote asset was given — write a {valid}")]
    if not source.get("hash"):
        return [
            ("source", "it came without a hash, by which changes are seen — the engine adds it")
        ]
    return []


async def _copy(operation: Operation, inputs: Properties) -> None:
    source, target = inputs["source"], inputs["remotePath"]
    async with dialled(operation, inputs["connection"]) as connection:
        try:
            async with connection.start_sftp_client() as sftp:
                if source.get("path"):
                    await upload(sftp, source["path"], target)
                else:
                    await upload_text(sftp, source.get("text", ""), target)
        except asyncssh.Error as error:
            raise RefusedError(f"copy to {target}: {error.reason or error}") from error
        except OSError as error:
            raise RefusedError(f"copy to {target}: {error}") from error
