"""Settings of Longhorn: how many copies, on which nodes, in which folder, and what cannot work."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from pydantic import Field

from components.addons.addon import AddonAsked, AddonSettings
from components.groups import NodeGroup
from components.problems import Problem
from components.topology import Node

# With it, Longhorn stores on a node of its own accord, where it is told to look for it.
# Source: https://longhorn.io/docs/1.12.1/nodes-and-volumes/nodes/default-disk-and-node-config/
DISK_LABEL = "node.longhorn.io/create-default-disk"
_KEEPS_OFF = (":NoSchedule", ":NoExecute")
# https://longhorn.io/docs/1.12.1/references/settings/#default-replica-count
_MOST_REPLICAS = 20


class LonghornSettings(AddonSettings):
    """Volumes on the nodes' own filesystems, copied from node to node."""

    version: str = Field(default="1.12.1", description="version of the chart, such as 1.12.1")
    replicas: int = Field(
        default=3,
        ge=1,
        le=_MOST_REPLICAS,
        description="copies of each volume, each on a node of its own, such as 3",
    )
    data_path: str = Field(
        default="/var/lib/longhorn",
        description="folder of the nodes that holds the data, on ext4 or XFS, such as /mnt/data",
    )
    groups: tuple[str, ...] = Field(
        default=(),
        description="node groups whose nodes hold data, such as [agent]; all by default",
    )
    default_class: bool = Field(
        default=False, description="true: claims that name no storage class get longhorn"
    )
    destroy_data: bool = Field(
        default=False,
        description="true: all data is destroyed with the key or the cluster; "
        "false: it stays when the key goes",
    )
    wait_ready: bool = Field(
        default=True, description="false: do not wait until Longhorn stores, 15 minutes at most"
    )


def labels(settings: LonghornSettings, group: str) -> Mapping[str, str]:
    """What tells Longhorn that a group's nodes hold data, where not all do."""
    return {DISK_LABEL: "true"} if group in settings.groups else {}


def problems(settings: LonghornSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from _data_path(settings.data_path)
    for group in settings.groups if asked.groups else ():
        yield from _group(settings, asked, group)
    if asked.nodes:
        yield from _replicas(settings, asked)


def _data_path(given: str) -> Iterator[Problem]:
    path = PurePosixPath(given)
    if not path.is_absolute() or path == PurePosixPath("/") or ".." in path.parts:
        yield Problem(
            key="addons.longhorn.dataPath",
            given=given,
            why="not the absolute path of a folder of Longhorn's own",
            write="write /var/lib/longhorn, or where a disk for it is mounted, such as /mnt/data",
        )


def _group(settings: LonghornSettings, asked: AddonAsked, key: str) -> Iterator[Problem]:
    group = asked.groups.get(key)
    if group is None:
        yield Problem(
            key="addons.longhorn.groups",
            given=key,
            why="no group has that name",
            write=f"write of {', '.join(sorted(asked.groups))} those whose nodes hold data",
        )
    elif _tainted(group) and not _tolerates(settings):
        yield Problem(
            key="addons.longhorn.groups",
            given=key,
            why=f"Longhorn's pods do not tolerate its taints {', '.join(group.taints)}",
            write="write values: {global: {tolerations: […]}, defaultSettings: {taintToleration: "
            "KEY=VALUE:EFFECT}}, or leave the group out",
        )


def _storage_nodes(settings: LonghornSettings, asked: AddonAsked) -> list[Node]:
    """Those of the chosen groups, as far as Longhorn's pods run there."""
    return [
        node
        for node in asked.nodes
        if (node.group in settings.groups or not settings.groups)
        and (not _tainted(asked.groups.get(node.group)) or _tolerates(settings))
    ]


def _replicas(settings: LonghornSettings, asked: AddonAsked) -> Iterator[Problem]:
    found = len(_storage_nodes(settings, asked))
    if found < settings.replicas:
        yield Problem(
            key="addons.longhorn.replicas",
            given=f"{settings.replicas} with {found} node{'' if found == 1 else 's'} to hold them",
            why="each copy is on a node of its own",
            write=f"write replicas: {found}, or add nodes" if found else "add nodes without taints",
        )


def _tainted(group: NodeGroup | None) -> bool:
    return group is not None and any(taint.endswith(_KEEPS_OFF) for taint in group.taints)


def _tolerates(settings: LonghornSettings) -> bool:
    """Whether values say so: which taints, they know."""
    return any(
        bool(settings.values.get(part, {}).get("tolerations"))
        for part in ("global", "longhornManager")
    )
