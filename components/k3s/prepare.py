"""First step on a node: is it fit, and are the release's files there?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.k3s import artifacts
from components.k3s.artifacts import Downloads, ReleaseFiles
from components.k3s.settings import K3sSettings
from components.k3s.step import Step
from components.platforms.machine import Machine

# Outside k3s's own folders, so that k3s's uninstaller leaves what was fetched.
_STORE = "/var/lib/k3s-artifacts"
# The slowest part is a download of some 250 MB.
_SECONDS = 1500


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A node that is fit for k3s: where the release's files are on it, and what to wait for."""

    store: str
    files: ReleaseFiles
    installer_sha256: str
    steps: Sequence[pulumi.Resource]

    def variables(self) -> dict[str, pulumi.Input[str]]:
        """What lib.sh needs to check the files again before they are used."""
        return {
            "STORE": self.store,
            "BINARY": self.files.binary,
            "IMAGES": self.files.images,
            "CHECKSUMS": self.files.checksums,
            "INSTALLER_SHA256": self.installer_sha256,
        }


def prepare(machine: Machine, settings: K3sSettings, opts: pulumi.ResourceOptions) -> Prepared:
    """Check the node and bring the release's files to it, fetched there or uploaded."""
    chosen = settings.artifacts
    folder = Path(chosen.folder).expanduser().resolve() if chosen.folder else None
    prepared = Prepared(
        store=f"{_STORE}/{settings.version}",
        files=ReleaseFiles(arch=machine.arch),
        installer_sha256=artifacts.installer_sha256(folder, machine.arch),
        steps=(),
    )
    checked = Step("prepare", seconds=_SECONDS).on(
        f"{machine.name}-prepare",
        machine,
        subject=machine.name,
        variables={
            **prepared.variables(),
            "ROLE": machine.role,
            "ARCH": machine.arch,
            "UPLOADER": machine.ssh.user,
            **_download_variables(settings, folder),
        },
        triggers=[machine.id],
        opts=opts,
    )
    uploads = _uploads(machine, prepared, folder, checked, opts) if folder else []
    return Prepared(
        store=prepared.store,
        files=prepared.files,
        installer_sha256=prepared.installer_sha256,
        steps=[checked, *uploads],
    )


def _download_variables(settings: K3sSettings, folder: Path | None) -> dict[str, str]:
    if folder:
        return {"BASE_URL": "", "INSTALLER_URL": ""}
    where: Downloads = (
        artifacts.from_mirror(settings.artifacts.url, settings.version)
        if settings.artifacts.url
        else artifacts.from_release(settings.version)
    )
    return {"BASE_URL": where.base, "INSTALLER_URL": where.installer}


def _uploads(
    machine: Machine,
    prepared: Prepared,
    folder: Path,
    after: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """One file each, to its full path: a folder would land inside one that is there already."""
    return [
        remote.CopyToRemote(
            f"{machine.name}-upload-{file}",
            connection=machine.ssh.connection(),
            source=pulumi.FileAsset(str(folder / file)),
            remote_path=f"{prepared.store}/{file}",
            triggers=[machine.id],
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[after])),
        )
        for file in prepared.files.all()
    ]
