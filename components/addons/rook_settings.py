"""Settings of Rook: what Ceph stores, on which nodes' disks, and what cannot work."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from components.addons.addon import AddonAsked, AddonSettings
from components.groups import NodeGroup
from components.problems import Problem
from components.topology import CLOUDS

_LOOP = re.compile(r"/dev/loop\d+")
_KEEPS_OFF = (":NoSchedule", ":NoExecute")
# The chart asks 4 GiB for each disk's daemon (cephClusterSpec.resources.osd), all that small has.
_TOO_SMALL = "small"


class RookSettings(AddonSettings):
    """Ceph on the nodes' raw disks, by Rook. `values` are those of the chart rook-ceph."""

    version: str = Field(
        default="v1.20.6",
        description="version of the charts rook-ceph and rook-ceph-cluster, such as v1.20.6",
    )
    csi_version: str = Field(
        default="1.0.4", description="version of the chart ceph-csi-drivers, such as 1.0.4"
    )
    cluster_values: Mapping[str, Any] = Field(
        default_factory=dict, description="further values of rook-ceph-cluster, merged last"
    )
    csi_values: Mapping[str, Any] = Field(
        default_factory=dict, description="further values of ceph-csi-drivers, merged last"
    )
    block: bool = Field(
        default=True, description="true: storage class ceph-block, a volume for one node at a time"
    )
    filesystem: bool = Field(
        default=False, description="true: storage class ceph-filesystem, shared by nodes (RWX)"
    )
    object_store: bool = Field(
        default=False, description="true: storage class ceph-bucket, buckets over S3"
    )
    nfs: bool = Field(
        default=False, description="true: storage class ceph-nfs, NFS exports of the filesystem"
    )
    default_class: Literal["block", "filesystem", "nfs"] | None = Field(
        default=None,
        description="whose storage class claims get that name none: block, filesystem or nfs",
    )
    replicas: int = Field(
        default=3,
        ge=1,
        le=9,
        description="copies of all data, each on a node of its own, such as 3",
    )
    mons: Literal[1, 3] = Field(
        default=3, description="Ceph's monitors, each on a node of its own: 3, or 1 for a try"
    )
    loop_devices: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="on this machine, in place of disks: {dev-agent-1: [/dev/loop10]}",
    )
    destroy_data: bool = Field(
        default=False,
        description="true: all data is destroyed with the key or the cluster; "
        "false: it stays when the key goes",
    )
    wait_ready: bool = Field(
        default=True, description="false: do not wait until Ceph answers, 15 minutes at most"
    )

    def stores(self) -> dict[str, bool]:
        """What Ceph can be used as, by key, and whether it is chosen."""
        return {
            "block": self.block,
            "filesystem": self.filesystem,
            "objectStore": self.object_store,
            "nfs": self.nfs,
        }


def problems(settings: RookSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from _stores(settings)
    yield from _loop_devices(settings, asked)
    if asked.nodes:
        yield from _storage_nodes(settings, asked)
        yield from _monitors(settings, asked)
    for key, group in asked.groups.items():
        if group.disks:
            yield from _group(settings, asked, key, group)


def _stores(settings: RookSettings) -> Iterator[Problem]:
    stores = settings.stores()
    if not any(stores.values()):
        yield Problem(
            key="addons.rook",
            given="neither block, filesystem, objectStore nor nfs",
            why="Ceph would store nothing",
            write="write block: true, or another of them",
        )
    if settings.nfs and not settings.filesystem:
        yield Problem(
            key="addons.rook.nfs",
            given=True,
            why="NFS exports a filesystem of Ceph's, and there is none",
            write="write filesystem: true as well",
        )
    if settings.default_class and not stores[settings.default_class]:
        yield Problem(
            key="addons.rook.defaultClass",
            given=settings.default_class,
            why="it is not chosen",
            write=f"write {settings.default_class}: true, or leave defaultClass out",
        )


def _loop_devices(settings: RookSettings, asked: AddonAsked) -> Iterator[Problem]:
    local = {node.name for node in asked.nodes if node.platform == "local"}
    for name, paths in settings.loop_devices.items():
        key = f"addons.rook.loopDevices.{name}"
        if asked.nodes and name not in local:
            yield Problem(
                key=key,
                given=list(paths),
                why="no node on this machine has that name",
                write=f"write one of {', '.join(sorted(local)) or 'its nodes: there are none'}",
            )
        for path in paths:
            if not _LOOP.fullmatch(path):
                yield Problem(
                    key=key,
                    given=path,
                    why="not a loop device",
                    write="write the path that losetup --find --show FILE prints, such as "
                    "/dev/loop10",
                )


def storage_nodes(settings: RookSettings, asked: AddonAsked) -> list[str]:
    """Names of the nodes that have raw disks, or loop devices in their place."""
    return [
        node.name
        for node in asked.nodes
        if asked.disks.get(node.name) or settings.loop_devices.get(node.name)
    ]


def _storage_nodes(settings: RookSettings, asked: AddonAsked) -> Iterator[Problem]:
    found = storage_nodes(settings, asked)
    if not found:
        on_this_machine = all(node.platform == "local" for node in asked.nodes)
        yield Problem(
            key="addons.rook",
            given="no raw disks",
            why="containers have none"
            if on_this_machine
            else "Ceph stores on disks of its own, and no node has any",
            write="write loopDevices: {NODE: [/dev/loopN]} with what losetup made"
            if on_this_machine
            else "write groups.NAME.disks: [100], GiB; existing hosts: disks, by path",
        )
    elif len(found) < settings.replicas:
        yield Problem(
            key="addons.rook.replicas",
            given=f"{settings.replicas} with {_nodes(len(found))} that has disks"
            if len(found) == 1
            else f"{settings.replicas} with {_nodes(len(found))} that have disks",
            why="each copy is on a node of its own",
            write=f"write replicas: {len(found)}, or give disks to more nodes",
        )


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _monitors(settings: RookSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Monitors run on any node that takes pods; taints are tolerated where values say so."""
    takers = [node for node in asked.nodes if not _tainted(asked.groups.get(node.group))]
    if len(takers) < settings.mons and not _placed(settings):
        yield Problem(
            key="addons.rook.mons",
            given=f"{settings.mons} with {_nodes(len(takers))} without taints",
            why="each monitor is on a node of its own",
            write="write mons: 1 (for a try: with it goes all that is stored), or add nodes",
        )


def _group(
    settings: RookSettings, asked: AddonAsked, key: str, group: NodeGroup
) -> Iterator[Problem]:
    if _tainted(group) and not _placed(settings):
        yield Problem(
            key=f"groups.{key}.taints",
            given=list(group.taints),
            why="the group has disks, and Ceph's pods tolerate no taint by themselves",
            write="write addons.rook.clusterValues: {cephClusterSpec: {placement: {all: "
            "{tolerations: […]}}}}, or leave the taints out",
        )
    on_cloud = any(node.group == key and node.platform in CLOUDS for node in asked.nodes)
    resources = settings.cluster_values.get("cephClusterSpec", {}).get("resources")
    if on_cloud and group.size == _TOO_SMALL and not resources:
        yield Problem(
            key=f"groups.{key}.size",
            given=group.size,
            why="the daemon of one disk asks for 4 GiB of memory, all that such a node has",
            write="write medium for a disk a node, or large",
        )


def _tainted(group: NodeGroup | None) -> bool:
    return group is not None and any(taint.endswith(_KEEPS_OFF) for taint in group.taints)


def _placed(settings: RookSettings) -> bool:
    return bool(settings.cluster_values.get("cephClusterSpec", {}).get("placement"))
