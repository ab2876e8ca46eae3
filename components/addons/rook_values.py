"""What Rook's charts and the NFS server are told: values and objects, nothing of Pulumi.

Sources: https://rook.io/docs/rook/v1.20/CRDs/Cluster/ceph-cluster-crd and the pages beside it, and
https://rook.io/docs/rook/v1.20/Storage-Configuration/NFS/nfs-csi-driver.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.addons.rook_settings import RookSettings

NAMESPACE = "rook-ceph"
BLOCK, FILESYSTEM, BUCKET, NFS = "ceph-block", "ceph-filesystem", "ceph-bucket", "ceph-nfs"
NFS_PROVISIONER = f"{NAMESPACE}.nfs.csi.ceph.com"
# The filesystem's data pool is named after both.
_DATA_POOL = "data0"
_STEPS = ("provisioner", "controller-expand", "controller-publish", "node-stage")


def storage_classes(settings: RookSettings) -> dict[str, str]:
    """The storage classes that there are, by what Ceph is used as."""
    names = {"block": BLOCK, "filesystem": FILESYSTEM, "objectStore": BUCKET, "nfs": NFS}
    return {key: names[key] for key, chosen in settings.stores().items() if chosen}


def operator_values(settings: RookSettings) -> dict[str, Any]:
    """Loop devices are for clusters on one machine, and refused by Rook otherwise."""
    return {"allowLoopDevices": bool(settings.loop_devices)}


def csi_values(settings: RookSettings) -> dict[str, Any]:
    """As Rook's own values for that chart: with its defaults the drivers would not start."""
    drivers = {"rbd": settings.block, "cephfs": settings.filesystem, "nfs": settings.nfs}
    return {
        "operatorConfig": {
            "namespace": NAMESPACE,
            "driverSpecDefaults": {
                "imageSet": {"name": "rook-csi-operator-image-set-configmap"},
                "nodePlugin": {"priorityClassName": "system-node-critical"},
                "controllerPlugin": {"priorityClassName": "system-cluster-critical"},
            },
        },
        "drivers": {
            name: {"enabled": drivers.get(name, False), "name": f"{NAMESPACE}.{name}.csi.ceph.com"}
            for name in (*drivers, "nvmeof")
        },
    }


def cluster_values(
    settings: RookSettings, disks: Mapping[str, Sequence[pulumi.Input[str]]]
) -> dict[str, Any]:
    """`disks` are device paths by the node's name; Ceph touches no others."""
    nodes = [
        {"name": node, "devices": [{"name": path} for path in paths]}
        for node, paths in sorted(disks.items())
    ]
    return {
        "operatorNamespace": NAMESPACE,
        "cephClusterSpec": {
            "mon": {"count": settings.mons},
            "mgr": {"count": 1 if settings.mons == 1 else 2},
            # Pools that Ceph makes by itself would be of three copies, whatever is asked.
            "cephConfig": {"global": {"osd_pool_default_size": str(settings.replicas)}},
            "storage": {"useAllNodes": False, "useAllDevices": False, "nodes": nodes},
        },
        "cephBlockPools": _block_pools(settings),
        "cephFileSystems": [_filesystem(settings)] if settings.filesystem else [],
        "cephObjectStores": [_object_store(settings)] if settings.object_store else [],
    }


def _replicated(settings: RookSettings) -> dict[str, Any]:
    safe = settings.replicas > 1
    replicated = {"size": settings.replicas, **({} if safe else {"requireSafeReplicaSize": False})}
    return {"failureDomain": "host", "replicated": replicated}


def _block_pools(settings: RookSettings) -> list[dict[str, Any]]:
    managers_own = {
        "name": "builtin-mgr",
        "spec": {"name": ".mgr", **_replicated(settings)},
        "storageClass": {"enabled": False},
    }
    if not settings.block:
        return [managers_own]
    parameters = {"imageFormat": "2", "imageFeatures": "layering", **csi_secrets("rbd")}
    block = {
        "name": BLOCK,
        "spec": _replicated(settings),
        "storageClass": _storage_class(settings, "block", BLOCK, parameters),
    }
    return [block, managers_own]


def _filesystem(settings: RookSettings) -> dict[str, Any]:
    return {
        "name": FILESYSTEM,
        "spec": {
            "metadataPool": _replicated(settings),
            "dataPools": [{"name": _DATA_POOL, **_replicated(settings)}],
            "metadataServer": {
                "activeCount": 1,
                "activeStandby": True,
                # The chart asks for 4 GiB each, which a medium node with a disk has not left.
                "resources": _resources(cpu="500m", memory="1Gi", limit="2Gi"),
                "priorityClassName": "system-cluster-critical",
            },
            "preserveFilesystemOnDelete": not settings.destroy_data,
        },
        "storageClass": {
            **_storage_class(settings, "filesystem", FILESYSTEM, csi_secrets("cephfs")),
            "pool": _DATA_POOL,
        },
    }


def _object_store(settings: RookSettings) -> dict[str, Any]:
    return {
        "name": BUCKET,
        "spec": {
            "metadataPool": _replicated(settings),
            "dataPool": _replicated(settings),
            "preservePoolsOnDelete": not settings.destroy_data,
            "gateway": {
                "port": 80,
                "instances": 1,
                "resources": _resources(cpu="500m", memory="1Gi", limit="2Gi"),
                "priorityClassName": "system-cluster-critical",
            },
        },
        "storageClass": {
            "enabled": True,
            "name": BUCKET,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        },
        "ingress": {"enabled": False},
        "route": {"enabled": False},
    }


def _storage_class(
    settings: RookSettings, store: str, name: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "enabled": True,
        "name": name,
        "isDefault": settings.default_class == store,
        "reclaimPolicy": "Delete",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "Immediate",
        # XFS may deadlock where a volume is mounted on the node that stores it.
        "parameters": {**parameters, "csi.storage.k8s.io/fstype": "ext4"},
    }


def csi_secrets(driver: str) -> dict[str, str]:
    """Where a driver finds the keys that Rook makes for it."""
    keys = {
        step: f"rook-csi-{driver}-{'node' if step == 'node-stage' else 'provisioner'}"
        for step in _STEPS
    }
    names = {f"csi.storage.k8s.io/{step}-secret-name": name for step, name in keys.items()}
    spaces = {f"csi.storage.k8s.io/{step}-secret-namespace": NAMESPACE for step in keys}
    return {**names, **spaces}


def nfs_server() -> dict[str, Any]:
    """One NFS server: Rook promises no more availability of several."""
    return {
        "apiVersion": "ceph.rook.io/v1",
        "kind": "CephNFS",
        "metadata": {"name": NFS, "namespace": NAMESPACE},
        "spec": {
            "server": {
                "active": 1,
                "resources": _resources(cpu="250m", memory="512Mi", limit="2Gi"),
                "priorityClassName": "system-cluster-critical",
            }
        },
    }


def nfs_parameters() -> dict[str, str]:
    """Exports of the filesystem, over the Service that Rook makes of the NFS server."""
    return {
        "nfsCluster": NFS,
        "server": f"rook-ceph-nfs-{NFS}-a",
        "clusterID": NAMESPACE,
        "fsName": FILESYSTEM,
        "pool": f"{FILESYSTEM}-{_DATA_POOL}",
        **csi_secrets("cephfs"),
    }


def _resources(*, cpu: str, memory: str, limit: str) -> dict[str, dict[str, str]]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}
