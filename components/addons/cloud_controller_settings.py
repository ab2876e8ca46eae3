"""Settings of the cloud's controllers in the cluster, and what cannot be right about them."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from components.addons import secret_values
from components.addons.addon import AddonAsked, AddonSettings
from components.k3s.settings import K3sSettings
from components.platforms.platform import CloudPart
from components.problems import Problem
from components.topology import CLOUDS, PlatformName

_KEY = "addons.cloudController"
Cloud = Literal["aws", "digitalocean"]
# What is a chart's, is for AWS alone, and what is not, for DigitalOcean.
_OF: Mapping[str, tuple[str, ...]] = {
    "aws": ("version", "values", "csi_version", "csi_values"),
    "digitalocean": ("token", "droplet_version", "droplet_csi_version"),
}


class CloudControllerSettings(AddonSettings):
    """The cloud's own controller and CSI driver. `version` and `values` are a chart's, for AWS."""

    version: str = Field(
        default="0.0.11",
        description="aws: version of the chart aws-cloud-controller-manager, such as 0.0.11",
    )
    csi: bool = Field(
        default=True, description="false: without the cloud's storage, for which nodes have disks"
    )
    csi_version: str = Field(
        default="2.64.0",
        description="aws: version of the chart aws-ebs-csi-driver, such as 2.64.0",
    )
    csi_values: Mapping[str, Any] = Field(
        default_factory=dict, description="aws: further values of aws-ebs-csi-driver, merged last"
    )
    token: Mapping[str, Any] | None = Field(
        default=None,
        description="digitalocean: {secret: NAME} of an API token, the value that "
        "pulumi config set --secret --path k3s:secrets.NAME gives",
    )
    droplet_version: str = Field(
        default="v0.1.68",
        description="digitalocean: release of digitalocean-cloud-controller-manager",
    )
    droplet_csi_version: str = Field(
        default="v4.16.0", description="digitalocean: release of csi-digitalocean"
    )
    default_class: bool = Field(
        default=False, description="true: claims that name no storage class get the cloud's volumes"
    )
    destroy_data: bool = Field(
        default=False,
        description="true: volumes that the CSI driver made go with the cluster, and by takeDown; "
        "false: they stay in the cloud",
    )
    take_down: bool = Field(
        default=False,
        description="true, for one up, before the key is taken out: balancers go now, and all data "
        "with destroyData",
    )


def k3s(_: CloudControllerSettings, given: K3sSettings) -> K3sSettings:
    """k3s without its own controller: nodes wait for the cloud's."""
    return given.model_copy(update={"cloud_controller": "external"})


def cloud_parts(settings: CloudControllerSettings) -> frozenset[CloudPart]:
    """What of it speaks to the cloud, and needs permissions there."""
    return frozenset(["cloud-controller", "csi"] if settings.csi else ["cloud-controller"])


def problems(settings: CloudControllerSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    platforms = sorted({node.platform for node in asked.nodes})
    if platforms and not (len(platforms) == 1 and platforms[0] in CLOUDS):
        yield _no_one_cloud(platforms)
    elif platforms:
        yield from _of_other_clouds(settings, platforms[0])
    if platforms == ["digitalocean"]:
        yield from _token(settings, asked)
    if not settings.csi:
        yield from _without_storage(settings)


def _no_one_cloud(platforms: list[PlatformName]) -> Problem:
    others = [platform for platform in platforms if platform not in CLOUDS]
    reasons = {"local": "containers of this machine", "existing": "hosts that exist"}
    why = (
        "a cloud's controller knows its own machines alone, and k3s's own would be off for all"
        if len(platforms) > 1
        else f"{reasons[others[0]]} are on no cloud that would make balancers or volumes"
    )
    return Problem(
        key=_KEY,
        given=f"nodes on {', '.join(platforms)}",
        why=why,
        write="leave it out, or put all groups on aws, or all on digitalocean",
    )


def _of_other_clouds(settings: CloudControllerSettings, here: PlatformName) -> Iterator[Problem]:
    for cloud, names in _OF.items():
        for name in names if cloud != here else ():
            if name in settings.model_fields_set:
                yield Problem(
                    key=f"{_KEY}.{type(settings).model_fields[name].alias or name}",
                    given="a value",
                    why=f"it is for {cloud}, and all nodes are on {here}",
                    write="leave it out",
                )


def _token(settings: CloudControllerSettings, asked: AddonAsked) -> Iterator[Problem]:
    if settings.token is None or not list(secret_values.names(settings.token)):
        yield Problem(
            key=f"{_KEY}.token",
            given=None if settings.token is None else "a value in clear",
            why="the controller asks DigitalOcean with it, and who reads the stack file must not",
            write="write token: {secret: digitalocean}, and run "
            "pulumi config set --secret --path k3s:secrets.digitalocean",
        )
    else:
        yield from secret_values.problems(f"{_KEY}.token", settings.token, asked.secrets)


def _without_storage(settings: CloudControllerSettings) -> Iterator[Problem]:
    for name, given in (
        ("defaultClass", settings.default_class),
        ("destroyData", settings.destroy_data),
    ):
        if given:
            yield Problem(
                key=f"{_KEY}.{name}",
                given=True,
                why="csi is false, so there are no volumes",
                write="leave it out, or csi: false",
            )
