"""How Ceph is let go of, or taken down with its data: the step's script on a real API server.

Rook and Ceph do not run here: the test does what Rook would do to its objects, and nothing more.
"""

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from components.addons.webhook import SCRIPTS
from components.k3s.step import Step
from components.scripts import compose
from tests.e2e.kubernetes import until
from tests.lab.kubernetes_cluster import ECHO, Cluster
from tests.lab.node_stack import refused, succeeded

pytestmark = pytest.mark.nodes

LIB = Step("lib", seconds=1).folder / "lib.sh"
SPACE = "rook-ceph"
FINALIZER = "cephcluster.ceph.rook.io"
LABELS = {"owner": "helm", "name": "rook-ceph-cluster"}


def script(
    cluster: Cluster, action: str, options: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """ceph.sh, as the program runs it on a server; `options` are podman's."""
    text = compose(
        [LIB, SCRIPTS / "volumes.sh", SCRIPTS / "ceph.sh"],
        {"NODE": "node-1", "STEP": "ceph", "DISKS": "0", "WAIT": "true", **variables},
    )
    stack = cluster.nodes.stack
    return subprocess.run(
        [
            *("podman", "exec", "--interactive", *options, stack.container(1)),
            *("sh", "-s", "--", action),
        ],
        input=text,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def apply(cluster: Cluster, *bodies: Mapping[str, Any]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
    done = subprocess.run(
        [
            *("podman", "exec", "--interactive", cluster.nodes.stack.container(1)),
            *("/usr/local/bin/k3s", "kubectl", "apply", "--filename", "-"),
        ],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    succeeded(done)


def definition(kind: str, plural: str) -> dict[str, Any]:
    """As Rook's own, of any content."""
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.ceph.rook.io"},
        "spec": {
            "group": "ceph.rook.io",
            "names": {"kind": kind, "plural": plural, "singular": plural[:-1]},
            "scope": "Namespaced",
            "versions": [{**version, "schema": {"openAPIV3Schema": open_schema}}],
        },
    }


def of_ceph(kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "ceph.rook.io/v1",
        "kind": kind,
        "metadata": {"namespace": SPACE, "name": name, "finalizers": [FINALIZER]},
        "spec": {},
        "status": {"phase": "Ready"},
    }


def volume() -> list[dict[str, Any]]:
    """A claim with a volume of Ceph's, and a pod that uses it."""
    modes = {"accessModes": ["ReadWriteOnce"], "storageClassName": "ceph-block"}
    claim = {"namespace": "default", "name": "data"}
    csi = {"driver": "rook-ceph.rbd.csi.ceph.com", "volumeHandle": "one"}
    container = {"name": "echo", "image": ECHO, "volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    used = {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "ceph-block"},
            "provisioner": "rook-ceph.rbd.csi.ceph.com",
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "pv-data"},
            "spec": {
                **modes,
                "capacity": {"storage": "1Gi"},
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": claim,
                "csi": csi,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": claim,
            "spec": {
                **modes,
                "resources": {"requests": {"storage": "1Gi"}},
                "volumeName": "pv-data",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": "default", "name": "user"},
            "spec": {"containers": [container], "volumes": [used]},
        },
    ]


@pytest.fixture
def ceph(cluster: Cluster) -> Iterator[Cluster]:
    """A CephCluster with a pool and a volume in use, and Helm's record of its release."""
    definitions = [
        definition("CephCluster", "cephclusters"),
        definition("CephBlockPool", "cephblockpools"),
    ]
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    apply(cluster, *definitions, space)
    for found in definitions:
        name = found["metadata"]["name"]
        cluster.nodes.kubectl("wait", "crd", name, "--for=condition=Established", "--timeout=300s")
    record = {"namespace": SPACE, "name": "sh.helm.release.v1.one", "labels": LABELS}
    apply(
        cluster,
        of_ceph("CephCluster", "rook-ceph"),
        of_ceph("CephBlockPool", "ceph-block"),
        {"apiVersion": "v1", "kind": "Secret", "metadata": record},
        *volume(),
    )
    until(
        30, "the claim is bound", lambda: phase(cluster, "persistentvolume", "pv-data") == "Bound"
    )
    yield cluster
    take_away(cluster)


def take_away(cluster: Cluster) -> None:
    """What a test left, whether it passed or not."""
    for kind in ("cephcluster", "cephblockpool"):
        for name in cluster.names(kind, "--namespace", SPACE):
            freed(cluster, name)
    for kind, name in (
        *(("pod", "user"), ("persistentvolumeclaim", "data"), ("persistentvolume", "pv-data")),
        *(("storageclass", "ceph-block"), ("namespace", SPACE)),
    ):
        cluster.nodes.kubectl(
            "delete", kind, name, "--ignore-not-found", "--now", "--timeout", "300s"
        )


def phase(cluster: Cluster, kind: str, name: str) -> str:
    return str((cluster.get(kind, name) or {}).get("status", {}).get("phase"))


def freed(cluster: Cluster, name: str) -> None:
    nothing = '{"metadata":{"finalizers":null}}'
    cluster.nodes.kubectl(
        "patch", name, "--namespace", SPACE, "--type", "merge", "--patch", nothing
    )


@contextmanager
def rook(cluster: Cluster) -> Iterator[list[str]]:
    """Does as Rook and its CSI driver do, once a second; gives what it did, in order."""
    done: list[str] = []
    over = threading.Event()

    def reconcile() -> None:
        while not over.wait(0.5):
            step(cluster, done)

    thread = threading.Thread(target=reconcile)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def is_going(found: Mapping[str, Any] | None) -> bool:
    """Whether an object is there, and to be deleted."""
    return found is not None and "deletionTimestamp" in found["metadata"]


def step(cluster: Cluster, done: list[str]) -> None:
    """Volumes that are released go; pools go with a cluster that is to be destroyed; then it."""
    volume = cluster.get("persistentvolume", "pv-data")
    if volume and volume["status"].get("phase") == "Released" and not is_going(volume):
        done.append("volume")
        cluster.nodes.kubectl("delete", "persistentvolume", "pv-data", "--wait=false")
    ceph = cluster.get("cephcluster", "rook-ceph", "--namespace", SPACE)
    if not is_going(ceph):
        return
    policy = ceph["spec"].get("cleanupPolicy", {}).get("confirmation")
    pools = cluster.names("cephblockpool", "--namespace", SPACE)
    for name in pools if policy == "yes-really-destroy-data" else ():
        if is_going(cluster.get(name, "--namespace", SPACE)):
            done.append("pool")
            freed(cluster, name)
    if not pools:
        done.append("cluster")
        freed(cluster, "cephcluster/rook-ceph")


def test_it_is_ready_when_rook_says_so_and_all_disks_are_used(ceph: Cluster) -> None:
    started = time.monotonic()
    succeeded(script(ceph, "create", DESTROY="false"))
    assert time.monotonic() - started < 300  # a third of what it waits where it is not


def test_without_destroy_data_only_helms_records_go(ceph: Cluster) -> None:
    said = script(ceph, "delete", DESTROY="false")
    succeeded(said)
    assert "Ceph runs on with all data" in said.stderr
    assert not ceph.names("secret", "--namespace", SPACE, "--selector", "owner=helm")
    assert ceph.names("cephcluster", "--namespace", SPACE) == {
        "cephcluster.ceph.rook.io/rook-ceph",
    }
    assert phase(ceph, "persistentvolume", "pv-data") == "Bound"


def test_with_destroy_data_volumes_go_first_then_pools_then_the_cluster(ceph: Cluster) -> None:
    with rook(ceph) as done:
        said = script(ceph, "delete", DESTROY="true")
    succeeded(said)
    assert done == ["volume", "pool", "cluster"]
    assert ceph.get("storageclass", "ceph-block") is None
    assert ceph.get("pod", "user") is None
    assert "Ceph is gone, and all data with it" in said.stderr
    succeeded(script(ceph, "delete", DESTROY="true"))


def test_an_api_that_does_not_answer_is_not_taken_for_one_without_ceph(ceph: Cluster) -> None:
    elsewhere = ("--env", "KUBECONFIG=/nonexistent")
    said = script(ceph, "delete", elsewhere, DESTROY="true")
    assert "the API does not answer" in refused(said)
