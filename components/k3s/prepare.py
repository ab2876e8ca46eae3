"""First step on a node: is it fit, and are the release's files there?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pulumi
from pulumi_command import remote

from components.k3s import requirements
from components.k3s.release import Release, folder, release
from components.k3s.requirements import Requirements
from components.k3s.settings import K3sSettings
from components.k3s.step import Step
from components.platforms import cloudinit
from components.platforms.machine import Machine

# cloud-init's end 600 s, that of a fetch at boot 930 s, a fetch of one's own: some 250 MB, and
# packages 900 s, after 300 s for each of the package manager's two locks.
_SECONDS = 4500
_PARTS = ("cloud_init", "features", "metadata", "release", "requirements", "version")
# What add-ons may need of a machine: features.sh knows each.
Feature = Literal["iscsi", "nfs"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A node that is fit for k3s: its release's files, and what to wait for."""

    release: Release
    steps: Sequence[pulumi.Resource]

    def variables(self) -> dict[str, str]:
        """What release.sh needs to check the files again before they are used."""
        return self.release.variables()


def prepare(
    machine: Machine,
    settings: K3sSettings,
    opts: pulumi.ResourceOptions,
    *,
    backend: Literal["vxlan", "wireguard-native", "none"],
    features: Sequence[Feature] = (),
    required: Requirements = "warning",
) -> Prepared:
    """Check the node and bring the release's files to it, fetched there or uploaded.

    `backend` is flannel's, which the node's kernel must be fit for. Of `features`, what the machine
    lacks is installed from its distribution's packages. Pods are kept from the machine's metadata
    addresses. `required` says what less memory or disk than k3s asks for is.
    """
    chosen = release(settings, machine.arch)
    checked = Step("prepare", seconds=_SECONDS, parts=_PARTS).on(
        f"{machine.name}-prepare",
        machine,
        subject=machine.name,
        variables={
            **chosen.variables(),
            **chosen.download_variables(),
            **requirements.variables(machine.role, required),
            "ROLE": machine.role,
            "ARCH": machine.arch,
            "BACKEND": backend,
            "VERSION": settings.version,
            "FEATURES": " ".join(features),
            "UPLOADER": machine.ssh.user,
            "METADATA": "\n".join(machine.metadata),
            "CLOUD_INIT": "yes" if machine.cloud_init else "",
            "FIRST_BOOT_UNIT": cloudinit.FIRST_BOOT_UNIT,
        },
        triggers=[machine.id],
        opts=opts,
    )
    source = folder(settings)
    uploads = _uploads(machine, chosen, source, checked, opts) if source else []
    return Prepared(release=chosen, steps=[checked, *uploads])


def _uploads(
    machine: Machine,
    chosen: Release,
    source: Path,
    after: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """One file each, to its full path: a folder would land inside one that is there already."""
    return [
        remote.CopyToRemote(
            f"{machine.name}-upload-{file}",
            connection=machine.ssh.connection(),
            source=pulumi.FileAsset(str(source / file)),
            remote_path=f"{chosen.store}/{file}",
            triggers=[machine.id],
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[after])),
        )
        for file in chosen.files.all()
    ]
