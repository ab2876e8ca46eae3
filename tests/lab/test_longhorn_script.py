"""Longhorn waited for, let go of, and made ready for its uninstallation: on a real API server.

Longhorn does not run here: the test writes what its managers would, and nothing more.
"""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from components.addons.webhook import SCRIPTS
from components.k3s.step import Step
from components.scripts import compose
from lab.charts import build
from lab.helm import build as helm
from tests.e2e.kubernetes import until
from tests.lab.kubernetes_cluster import ECHO, Cluster
from tests.lab.node_stack import refused, succeeded

pytestmark = pytest.mark.nodes

LIB = Step("lib", seconds=1).folder / "lib.sh"
SPACE = "longhorn-system"
DRIVER = "driver.longhorn.io"
FLAG = "deleting-confirmation-flag"
FULL = "the disk is full of other things"


def script(
    cluster: Cluster, action: str, *, seconds: int | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """longhorn.sh, as the program runs it on a server, or giving up waiting after `seconds`."""
    text = compose(
        [LIB, SCRIPTS / "volumes.sh", SCRIPTS / "longhorn.sh"],
        {"NODE": "node-1", "STEP": "longhorn", "REPLICAS": "2", "WAIT": "true", **variables},
    )
    if seconds is not None:
        text, found = re.subn(
            r"^(READY|VOLUMES)_SECONDS=\d+$", rf"\1_SECONDS={seconds}", text, flags=re.M
        )
        assert found == 2
    return subprocess.run(
        [
            *("podman", "exec", "--interactive", cluster.nodes.stack.container(1)),
            *("sh", "-s", "--", action),
        ],
        input=text,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def apply(cluster: Cluster, *bodies: Mapping[str, Any]) -> None:
    done = subprocess.run(
        [
            *("podman", "exec", "--interactive", cluster.nodes.stack.container(1)),
            *("/usr/local/bin/k3s", "kubectl", "apply", "--filename", "-"),
        ],
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    succeeded(done)


def definition(kind: str) -> dict[str, Any]:
    """As Longhorn's own, of any content."""
    name = kind.lower()
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta2", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.longhorn.io"},
        "spec": {
            "group": "longhorn.io",
            "names": {"kind": kind, "plural": f"{name}s", "singular": name},
            "scope": "Namespaced",
            "versions": [{**version, "schema": {"openAPIV3Schema": open_schema}}],
        },
    }


def of_longhorn(kind: str, name: str, **content: Any) -> dict[str, Any]:
    metadata = {"namespace": SPACE, "name": name}
    return {"apiVersion": "longhorn.io/v1beta2", "kind": kind, "metadata": metadata, **content}


def node(name: str, *schedulable: bool) -> dict[str, Any]:
    """With a disk for each answer to whether it takes replicas."""
    disks = {
        f"disk-{number}": {
            "conditions": [
                {"type": "Ready", "status": "True"},
                {
                    "type": "Schedulable",
                    "status": str(answer),
                    "message": "" if answer else FULL,
                },
            ]
        }
        for number, answer in enumerate(schedulable)
    }
    return of_longhorn("Node", name, status={"conditions": [], "diskStatus": disks})


def volume(name: str, policy: str) -> list[dict[str, Any]]:
    """A claim with a volume of Longhorn's, and a pod that uses it."""
    modes = {"accessModes": ["ReadWriteOnce"], "storageClassName": "longhorn"}
    claim = {"namespace": "default", "name": name}
    container = {"name": "echo", "image": ECHO, "volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    used = {"name": "d", "persistentVolumeClaim": {"claimName": name}}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{name}"},
            "spec": {
                **modes,
                "capacity": {"storage": "1Gi"},
                "persistentVolumeReclaimPolicy": policy,
                "claimRef": claim,
                "csi": {"driver": DRIVER, "volumeHandle": name},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": claim,
            "spec": {
                **modes,
                "resources": {"requests": {"storage": "1Gi"}},
                "volumeName": f"pv-{name}",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": "default", "name": f"user-of-{name}"},
            "spec": {"containers": [container], "volumes": [used]},
        },
    ]


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """Longhorn's definitions and driver, in its namespace."""
    succeeded(script(cluster, "delete", DESTROY="true"))  # nothing to destroy where it never was
    definitions = [definition(kind) for kind in ("Node", "Setting")]
    csi = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "spec": {}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    apply(cluster, *definitions, space, {**csi, "metadata": {"name": DRIVER}})
    for found in definitions:
        name = found["metadata"]["name"]
        cluster.nodes.kubectl("wait", "crd", name, "--for=condition=Established", "--timeout=300s")
    yield cluster
    for kind, *names in (
        ("namespace", SPACE),
        ("crd", *(found["metadata"]["name"] for found in definitions)),
        ("csidriver", DRIVER),
    ):
        cluster.nodes.kubectl("delete", kind, *names, "--timeout", "300s")


@pytest.fixture
def longhorn(installed: Cluster) -> Iterator[Cluster]:
    """Two nodes of three that store, two volumes in use, and Helm's record of the release."""
    labels = {"owner": "helm", "name": "longhorn"}
    record = {"namespace": SPACE, "name": "sh.helm.release.v1.longhorn.v1", "labels": labels}
    storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    apply(
        installed,
        *(node("node-1", True), node("node-2", False, True), node("node-3", False)),
        of_longhorn("Setting", FLAG, value="false"),
        {**storage_class, "metadata": {"name": "longhorn"}, "provisioner": DRIVER},
        {"apiVersion": "v1", "kind": "Secret", "metadata": record},
        *(*volume("data", "Delete"), *volume("kept", "Retain")),
    )
    until(30, "the claims are bound", lambda: phases(installed) == ["Bound", "Bound"])
    yield installed
    # What a test left, whether it passed or not.
    for kind, *names in (
        ("pod", "user-of-data", "user-of-kept"),
        ("persistentvolumeclaim", "data", "kept"),
        ("persistentvolume", "pv-data", "pv-kept"),
        ("storageclass", "longhorn"),
    ):
        installed.nodes.kubectl(
            "delete", kind, *names, "--ignore-not-found", "--now", "--timeout", "300s"
        )


def phases(cluster: Cluster) -> list[str]:
    found = [cluster.get("persistentvolume", f"pv-{name}") or {} for name in ("data", "kept")]
    return [str(volume.get("status", {}).get("phase")) for volume in found]


def flag(cluster: Cluster) -> str:
    return str(cluster.get("settings.longhorn.io", FLAG, "--namespace", SPACE)["value"])


@contextmanager
def driver(cluster: Cluster) -> Iterator[None]:
    """Deletes what is released, as the CSI driver does by the volume's policy."""
    over = threading.Event()

    def reconcile() -> None:
        while not over.wait(0.5):
            if phases(cluster)[0] == "Released":
                delete = ("delete", "persistentvolume", "pv-data", "--wait=false")
                cluster.nodes.kubectl(*delete, "--ignore-not-found")

    thread = threading.Thread(target=reconcile)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_it_is_ready_when_as_many_nodes_store_as_a_volume_has_copies(longhorn: Cluster) -> None:
    started = time.monotonic()
    succeeded(script(longhorn, "create", DESTROY="false"))
    assert time.monotonic() - started < 300  # a third of what it waits where they do not


def test_what_longhorn_says_of_too_few_nodes_is_told(longhorn: Cluster) -> None:
    said = refused(script(longhorn, "create", seconds=2, REPLICAS="3", DESTROY="false"))
    assert "2 nodes store after 2 s, 3 are needed" in said
    assert f"node-3:  {FULL}" in said
    # Of what one may not wait for, nothing is asked.
    succeeded(script(longhorn, "create", REPLICAS="3", WAIT="false", DESTROY="false"))


def test_without_destroy_data_only_helms_record_goes(longhorn: Cluster) -> None:
    said = script(longhorn, "delete", DESTROY="false")
    succeeded(said)
    assert "Longhorn runs on with all data" in said.stderr
    assert not longhorn.names("secret", "--namespace", SPACE, "--selector", "owner=helm")
    assert (phases(longhorn), flag(longhorn)) == (["Bound", "Bound"], "false")
    assert longhorn.get("storageclass", "longhorn")


def test_with_destroy_data_volumes_go_before_longhorn_may_be_uninstalled(longhorn: Cluster) -> None:
    with driver(longhorn):
        said = script(longhorn, "delete", DESTROY="true")
    succeeded(said)
    assert "no volume is left" in said.stderr
    assert flag(longhorn) == "true"
    assert longhorn.get("storageclass", "longhorn") is None
    for name in ("data", "kept"):
        assert longhorn.get("persistentvolume", f"pv-{name}") is None
        assert longhorn.get("pod", f"user-of-{name}") is None
    # What Helm needs to uninstall by is left to it.
    assert longhorn.names("secret", "--namespace", SPACE, "--selector", "owner=helm")
    succeeded(script(longhorn, "delete", DESTROY="true"))


def test_a_volume_that_stays_is_named_and_longhorn_is_not_given_up(longhorn: Cluster) -> None:
    # Nobody deletes what is released here.
    said = refused(script(longhorn, "delete", seconds=3, DESTROY="true"))
    assert (
        "volumes are still there after 3 s: Retain pv-kept default kept;Delete pv-data" in said
        or ("volumes are still there after 3 s: Delete pv-data default data;Retain pv-kept" in said)
    )
    assert flag(longhorn) == "false"


def test_the_charts_stand_in_is_not_uninstalled_before_the_flag_says_so(longhorn: Cluster) -> None:
    job, *policies = sorted(uninstallation(), key=lambda found: str(found["kind"]))
    assert job["kind"] == "Job"
    apply(longhorn, *policies)
    # A policy is in force some moments after it is there.
    until(30, "the job is refused", lambda: "is set to `false`" in tried(longhorn, job))
    patch = ["patch", "settings.longhorn.io", FLAG, "--namespace", SPACE, "--type", "merge"]
    longhorn.nodes.kubectl(*patch, "--patch", '{"value":"true"}')
    until(30, "the job is taken", lambda: tried(longhorn, job) == "")
    for found in policies:
        longhorn.nodes.kubectl("delete", found["kind"], found["metadata"]["name"])


def uninstallation() -> list[dict[str, Any]]:
    """What the lab's chart has for its end: the job that Helm makes, and what watches over it."""
    chart = build.ensure() / "longhorn-1.12.1.tgz"
    shown = ["--namespace", SPACE, "--show-only", "templates/uninstall.yaml"]
    run = subprocess.run(
        [str(helm.ensure()), "template", "longhorn", str(chart), *shown],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(yaml.safe_load_all(run.stdout))


def tried(cluster: Cluster, body: Mapping[str, Any]) -> str:
    """Why the API server would not make it; nothing when it would."""
    done = subprocess.run(
        [
            *("podman", "exec", "--interactive", cluster.nodes.stack.container(1)),
            *("/usr/local/bin/k3s", "kubectl", "create", "--dry-run=server", "--filename", "-"),
        ],
        input=json.dumps(body),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stderr if done.returncode else ""
