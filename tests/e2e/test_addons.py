"""Add-ons on a cluster of this machine, by the lab's charts: installed, changed, taken away.

The tests run in the order in which they stand: the last one takes the cluster away.
"""

import base64
import gzip
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.addons.webhook import SCRIPTS
from components.k3s import step
from components.scripts import compose
from tests import host
from tests.conftest import K3sRelease
from tests.e2e import secrets
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import Kubectl, until
from tests.e2e.workspace import Made, Workspace

pytestmark = pytest.mark.nodes

STACK = "k3saddons"
SERVER = f"k3s-{STACK}-server-1"
WEBHOOK_SECONDS = 20
METALLB: dict[str, Any] = {
    "pools": {"main": {"addresses": ["10.130.255.200-10.130.255.250"]}},
    "values": {"webhookDelaySeconds": WEBHOOK_SECONDS},
}
LIB = Path(step.__file__).with_name("scripts") / "lib.sh"
CERT_MANAGER: dict[str, Any] = {}
PROMETHEUS: dict[str, Any] = {"dashboards": {}}
LOGGING: dict[str, Any] = {"retention": "7d"}
# Loop devices stand for raw disks: what stands in for Ceph opens none.
ROOK: dict[str, Any] = {
    **{"filesystem": True, "objectStore": True, "nfs": True, "destroyData": True},
    **{"mons": 1, "replicas": 1, "loopDevices": {f"{STACK}-agent-1": ["/dev/loop8", "/dev/loop9"]}},
}
LONGHORN: dict[str, Any] = {"replicas": 1, "groups": ["agent"], "destroyData": True}
ALL = {
    **{"metallb": METALLB, "rook": ROOK, "longhorn": LONGHORN},
    **{"certManager": CERT_MANAGER, "prometheus": PROMETHEUS, "logging": LOGGING},
}
# Images that nobody can pull, so nothing is waited for; volumes that are there already.
WORDPRESS: dict[str, Any] = {
    "admin": {"email": "ops@company.tld"},
    "ingress": {"host": "blog.company.tld", "className": "nobodys", "issuer": "self-signed"},
    "images": {"wordpress": "registry.invalid/wordpress:1", "mysql": "registry.invalid/mysql:1"},
    "storage": {"storageClass": "by-hand", "content": 1, "mysql": 1},
    "wait": False,
}
VOLUMES = Path(__file__).with_name("volumes.yaml")
STORES = ("block", "filesystem", "bucket", "nfs")
ROOKS = ("rook-ceph", "ceph-csi-drivers", "rook-ceph-cluster")
LOGS = ("loki", "collector")


@dataclass(frozen=True)
class Cluster:
    """A cluster with MetalLB, and what was noticed while it was made."""

    workspace: Workspace
    up: Made
    kubectl: Kubectl
    before: host.Facts

    def addons(self, **chosen: object) -> Made:
        """`make up` with these add-ons, and no others."""
        self.workspace.configure(addons=chosen)
        made = self.workspace.make("up")
        assert made.code == 0, made.text
        return made

    def releases(self) -> dict[str, tuple[str, str, int]]:
        """Chart, state and revision of each release, by its own Secrets."""
        owned = ["get", "secrets", "--all-namespaces", "--selector", "owner=helm"]
        newest: dict[str, tuple[str, str, int]] = {}
        for item in self.kubectl.json(*owned)["items"]:
            labels, namespace = item["metadata"]["labels"], item["metadata"]["namespace"]
            found = (namespace, labels["status"], int(labels["version"]))
            newest[labels["name"]] = max(
                newest.get(labels["name"], found), found, key=lambda f: f[2]
            )
        return newest

    def version(self, name: str) -> str:
        """What changes with each change of an object of MetalLB's."""
        found = self.kubectl.json("get", name, "--namespace", "metallb-system")
        return str(found["metadata"]["resourceVersion"])

    def boots(self) -> dict[str, str]:
        """What changes when a node is started anew, or its k3s is."""
        started = ["systemctl", "show", "--property=ActiveEnterTimestamp", "k3s", "k3s-agent"]
        nodes = [SERVER, f"k3s-{STACK}-agent-1"]
        return {
            node: f"{_podman('inspect', '--format', '{{.Id}} {{.State.StartedAt}}', node)}"
            f"{_podman('exec', node, *started)}"
            for node in nodes
        }


def _podman(*words: str) -> str:
    run = subprocess.run(["podman", *words], capture_output=True, text=True, check=True)
    return run.stdout


def passwords(cluster: Cluster) -> dict[str, str]:
    """What the stack made for the add-ons, as their Secrets in the cluster hold it."""
    places = {
        "Grafana's": ("monitoring", "grafana-admin", "admin-password"),
        "WordPress's": ("wordpress", "wordpress-admin", "password"),
        "MySQL's": ("wordpress", "mysql", "password"),
        "MySQL's root's": ("wordpress", "mysql", "root-password"),
        "a cookie's": ("wordpress", "wordpress", "logged-in-key"),
    }
    found = {}
    for name, (namespace, secret, key) in places.items():
        held = cluster.kubectl.json("get", f"secret/{secret}", "--namespace", namespace)
        found[name] = base64.b64decode(held["data"][key]).decode()
        assert len(found[name]) >= 32
    return found


def counts(made: Made) -> dict[str, int]:
    """What an up's summary counts, without what it left as it was."""
    told = re.search(r"^up done: (.*); [\d.]+ s$", made.text, re.MULTILINE)
    assert told, made.text
    found = {what: int(n) for n, what in (part.split(" ", 1) for part in told[1].split(", "))}
    found.pop("unchanged", None)
    return found


def uninstalled(watch: secrets.ArgumentWatch) -> set[str]:
    """The releases that Helm was told to uninstall meanwhile."""
    told = (re.search(r"/helm uninstall (\S+) ", arguments) for arguments in watch.seen)
    return {found[1] for found in told if found}


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, k3s_release: K3sRelease) -> Iterator[Cluster]:
    settings = SETTINGS | {
        "groups": {
            "server": {"role": "server", "count": 1},
            "agent": {"role": "agent", "count": 1},
        },
        "local": {"privateCidr": "10.129.0.0/16", "publicCidr": "10.130.0.0/16"},
        "addons": {"metallb": METALLB},
    }
    with working_in(Workspace(STACK, settings), request) as workspace:
        before = host.facts()
        up = workspace.make("up", CHARTS="lab")
        assert up.code == 0, up.text
        kubeconfig = workspace.state / "kubeconfig" / f"{STACK}.yaml"
        yield Cluster(workspace, up, Kubectl(k3s_release.folder / "k3s", kubeconfig), before)


def test_the_release_is_deployed_and_its_objects_are_in_force(cluster: Cluster) -> None:
    assert cluster.releases() == {"metallb": ("metallb-system", "deployed", 1)}
    pool = cluster.kubectl.json("get", "ipaddresspools", "main", "-n", "metallb-system")
    assert pool["spec"] == {"addresses": METALLB["pools"]["main"]["addresses"], "autoAssign": True}
    advertised = cluster.kubectl.json("get", "l2advertisements", "all", "-n", "metallb-system")
    assert advertised["spec"] == {"ipAddressPools": ["main"]}


def test_a_webhook_that_refuses_for_20_s_is_passed_once_and_within_60_s(cluster: Cluster) -> None:
    done = re.findall(r"create .*-metallb-webhook done ([\d.]+) s", cluster.up.text)
    print(f"the webhook's step took {done[0]} s")
    assert [float(seconds) <= 60 for seconds in done] == [True]
    assert cluster.up.text.count("webhook: the webhook answers") == 1
    # The objects are made at the first attempt: it is the step that waits.
    assert "Retry" not in cluster.up.text
    logs = cluster.kubectl("logs", "deployment/metallb-webhook", "-n", "metallb-system")
    assert f"in {WEBHOOK_SECONDS} s" in logs
    # And the step has waited: they are made after the webhook's time, which begins with its pod.
    label = "app.kubernetes.io/name"
    pods = ("get", "pods", "--selector", f"{label}=metallb-webhook", "-n", "metallb-system")
    (pod,) = cluster.kubectl.json(*pods)["items"]
    (container,) = pod["status"]["containerStatuses"]
    pool = cluster.kubectl.json("get", "ipaddresspools", "main", "-n", "metallb-system")
    begun, made = (
        datetime.fromisoformat(told)
        for told in (
            container["state"]["running"]["startedAt"],
            pool["metadata"]["creationTimestamp"],
        )
    )
    assert (made - begun).total_seconds() >= WEBHOOK_SECONDS - 1  # both are told in whole seconds


def test_a_second_up_changes_nothing(cluster: Cluster) -> None:
    again = cluster.addons(metallb=METALLB)
    assert counts(again) == {}, again.text
    assert "charts: lab (what the stack was made with)" in again.text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.130.255.256/32", "neither a CIDR nor a range"),
        ("10.130.255.9-10.130.255.300", "neither a CIDR nor a range"),
    ],
)
def test_an_address_that_the_api_refuses_is_told_at_once_in_its_words(
    cluster: Cluster, address: str, words: str
) -> None:
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "wrong", "namespace": "metallb-system"},
        "spec": {"addresses": [address]},
    }
    variables = {"NODE": SERVER, "STEP": "webhook", "OBJECTS": yaml.safe_dump(pool)}
    before = time.monotonic()
    run = subprocess.run(
        ["podman", "exec", "--interactive", SERVER, "sh", "-s", "--", "create", "webhook"],
        input=compose([LIB, SCRIPTS / "webhook.sh"], variables),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 1
    assert time.monotonic() - before < 60  # so long it waits for one that does not answer
    assert f"the API refuses what is to be made — The IPAddressPool {chr(34)}wrong" in run.stderr
    assert words in run.stderr
    assert cluster.kubectl.attempt("get", "ipaddresspool/wrong", "-n", "metallb-system").returncode


def test_one_changed_value_upgrades_its_release_and_nothing_else(cluster: Cluster) -> None:
    nodes, pool = cluster.boots(), cluster.version("ipaddresspool/main")
    values = METALLB["values"] | {"speaker": {"logLevel": "debug"}}
    changed = cluster.addons(metallb=METALLB | {"values": values})
    assert counts(changed) == {"updated": 1}, changed.text
    assert cluster.releases() == {"metallb": ("metallb-system", "deployed", 2)}
    speaker = cluster.kubectl.json("get", "daemonset/metallb-speaker", "-n", "metallb-system")
    (container,) = speaker["spec"]["template"]["spec"]["containers"]
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["env"]
    assert (cluster.boots(), cluster.version("ipaddresspool/main")) == (nodes, pool)


def test_further_add_ons_come_in_beside_it(cluster: Cluster) -> None:
    nodes = cluster.boots()
    cluster.kubectl("apply", "--filename", "-", stdin=VOLUMES.read_text())
    cluster.workspace.configure(workloads={"wordpress": WORDPRESS})
    with secrets.ArgumentWatch() as watch:
        more = cluster.addons(**ALL)
    print(more.text)
    assert set(counts(more)) == {"created", "updated"}, more.text
    assert cluster.releases() == {
        "metallb": ("metallb-system", "deployed", 3),  # its value is as it was
        "cert-manager": ("cert-manager", "deployed", 1),
        "prometheus": ("monitoring", "deployed", 1),
        "longhorn": ("longhorn-system", "deployed", 1),
        **dict.fromkeys(ROOKS, ("rook-ceph", "deployed", 1)),
        **dict.fromkeys(LOGS, ("logging", "deployed", 1)),
    }
    ceph = cluster.kubectl.json("get", "cephcluster/rook-ceph", "-n", "rook-ceph")
    (node,) = ceph["spec"]["storage"]["nodes"]
    assert [device["name"] for device in node["devices"]] == ["/dev/loop8", "/dev/loop9"]
    assert cluster.kubectl("get", "cephnfs", "-n", "rook-ceph", "-o", "name")
    classes = cluster.kubectl("get", "storageclass", "-o", "name").split()
    assert {f"storageclass.storage.k8s.io/ceph-{n}" for n in STORES} <= set(classes)
    # What add-ons need of machines is installed there, and only the chosen group's nodes hold data.
    for container in (SERVER, f"k3s-{STACK}-agent-1"):
        assert _podman("exec", container, "which", "iscsiadm") == "/usr/sbin/iscsiadm\n"
    stores = cluster.kubectl("get", "nodes.longhorn.io", "-n", "longhorn-system", "-o", "name")
    assert stores == f"node.longhorn.io/{STACK}-agent-1\n"
    issuer = cluster.kubectl.json("get", "clusterissuer/self-signed")
    assert issuer["spec"] == {"selfSigned": {}}
    assert cluster.boots() == nodes
    assert secrets.in_texts(passwords(cluster), {a: a for a in watch.seen}) == []
    assert counts(cluster.addons(**ALL)) == {}


def test_wordpress_is_taken_by_the_api_and_its_volumes_are_bound(cluster: Cluster) -> None:
    def of_the_site(*words: str) -> Any:
        return cluster.kubectl.json("get", *words, "--namespace", "wordpress")

    def claims() -> dict[str, str]:
        found = of_the_site("persistentvolumeclaims")["items"]
        return {claim["metadata"]["name"]: claim["status"]["phase"] for claim in found}

    def pulled() -> set[str]:
        """The images that nodes have tried to get, each for a pod that nothing else holds back."""
        events = of_the_site("events", "--field-selector", "reason=Pulling")["items"]
        return {
            image for image in WORDPRESS["images"].values() for e in events if image in e["message"]
        }

    until(60, "both claims are bound", lambda: set(claims().values()) == {"Bound"})
    assert set(claims()) == {"mysql", "wordpress"}
    # Admitted by the namespace's level, placed, and with all volumes: only their images lack.
    until(60, "both pods get as far as their images", lambda: len(pulled()) == 2)
    events = of_the_site("events", "--field-selector", "type=Warning")["items"]
    # A busy kubelet may come late to what it is to mount: by now it has.
    late = [e for e in events if "failed to sync" in e["message"]]
    told = {e["reason"] for e in events if e not in late}
    assert told <= {"Failed", "BackOff", "FailedScheduling"}, events
    ingress = of_the_site("ingress/wordpress")["spec"]
    assert [tls["hosts"] for tls in ingress["tls"]] == [[WORDPRESS["ingress"]["host"]]]
    outputs = cluster.workspace.outputs()
    assert outputs["wordpressUrl"] == "https://blog.company.tld"
    assert outputs["wordpressPassword"] == passwords(cluster)["WordPress's"]


@pytest.mark.parametrize(
    ("key", "setting", "namespace", "release"),
    [
        ("prometheus", {"retention": "11d"}, "monitoring", "prometheus"),
        ("logging", {"retention": "8d"}, "logging", "loki"),
    ],
)
def test_a_changed_setting_of_one_upgrades_one_and_no_other(
    cluster: Cluster, key: str, setting: dict[str, Any], namespace: str, release: str
) -> None:
    cluster.addons(**ALL)
    before = cluster.releases()
    changed = cluster.addons(**ALL | {key: ALL[key] | setting})
    assert counts(changed) == {"updated": 1}, changed.text
    after = cluster.releases()
    assert after.pop(release) == (namespace, "deployed", 2)
    assert after == {name: found for name, found in before.items() if name != release}


def test_every_node_has_a_collector_and_grafana_is_told_of_loki(cluster: Cluster) -> None:
    cluster.addons(**ALL)
    collector = ["daemonset/opentelemetry-collector", "--namespace", "logging"]
    assert cluster.kubectl.json("get", *collector)["status"]["numberReady"] == 2
    found = cluster.kubectl.json(
        *("get", "configmaps", "--all-namespaces", "--selector", "grafana_datasource=1")
    )
    (source,) = found["items"]
    (loki,) = yaml.safe_load(source["data"]["loki.yaml"])["datasources"]
    # Where Grafana asks, the release's own Service answers.
    grafana = ("exec", "deployment/grafana", "--namespace", "monitoring", "--")
    ask = (*grafana, "/http-echo", "get", loki["url"])
    # A Service's rules reach the nodes some moments after its pods are ready.
    until(20, "Loki answers", lambda: "loki-" in cluster.kubectl(*ask))
    policies = cluster.kubectl.json("get", "networkpolicies", "--namespace", "logging")["items"]
    assert {policy["metadata"]["name"] for policy in policies} == {
        *("default-deny", "collector-to-loki", "grafana-to-loki"),
    }


def test_no_password_is_anywhere_in_clear(cluster: Cluster) -> None:
    known = passwords(cluster)
    cluster.workspace.configure(addons=ALL)
    texts = {"preview": cluster.workspace.make("preview").text}
    texts["outputs"] = cluster.workspace.make("outputs").text
    texts |= {f"make, {n}": text for n, text in enumerate(cluster.workspace.said)}
    assert secrets.in_texts(known, texts) == []
    files = [file for file in cluster.workspace.state.rglob("*") if file.is_file()]
    assert cluster.workspace.state / "backend" in {file.parents[3] for file in files}
    assert secrets.in_files(known, files) == []
    held = ["get", "secret", "--namespace", "monitoring", "--selector", "owner=helm"]
    for item in cluster.kubectl.json(*held)["items"]:
        manifest = gzip.decompress(base64.b64decode(base64.b64decode(item["data"]["release"])))
        assert secrets.in_texts(known, {"release": manifest.decode()}) == []


def test_wordpress_is_gone_with_its_key_and_nothing_else_is(cluster: Cluster) -> None:
    cluster.addons(**ALL)
    before = cluster.releases()
    cluster.workspace.configure(workloads={})
    gone = cluster.addons(**ALL)
    print(gone.text)
    assert set(counts(gone)) == {"deleted"}, gone.text
    assert cluster.releases() == before
    assert "NotFound" in cluster.kubectl.attempt("get", "namespace/wordpress").stderr

    def phases() -> set[str]:
        volumes = cluster.kubectl.json("get", "persistentvolumes")["items"]
        return {volume["status"]["phase"] for volume in volumes}

    until(20, "the volumes are released", lambda: phases() == {"Released"})
    cluster.kubectl("delete", "--filename", "-", stdin=VOLUMES.read_text())


@pytest.mark.parametrize(
    ("key", "releases", "namespace", "objects"),
    [
        ("metallb", ("metallb",), "metallb-system", "crd/ipaddresspools.metallb.io"),
        ("rook", ROOKS, "rook-ceph", "storageclass/ceph-nfs"),
        ("longhorn", ("longhorn",), "longhorn-system", "storageclass/longhorn"),
        ("certManager", ("cert-manager",), "cert-manager", "clusterissuer/self-signed"),
        ("prometheus", ("prometheus",), "monitoring", "clusterrole/grafana-configmaps"),
        ("logging", LOGS, "logging", "namespace/logging"),
    ],
)
def test_a_key_that_is_removed_takes_its_add_on_along_and_no_other(
    cluster: Cluster, key: str, releases: tuple[str, ...], namespace: str, objects: str
) -> None:
    nodes = cluster.boots()
    cluster.addons(**ALL)
    before = cluster.releases()
    with secrets.ArgumentWatch() as watch:
        gone = cluster.addons(**{name: chosen for name, chosen in ALL.items() if name != key})
    print(gone.text)
    assert uninstalled(watch) == set(releases)
    # Of machines no more is asked than the others need: prepare and registration know.
    assert set(counts(gone)) == {"deleted", *(["updated"] if key == "longhorn" else [])}, gone.text
    after = cluster.releases()
    assert after == {name: found for name, found in before.items() if name not in releases}
    for what in (f"namespace/{namespace}", objects):
        assert "NotFound" in cluster.kubectl.attempt("get", what).stderr
    assert cluster.boots() == nodes


def test_all_of_them_go_with_the_cluster_in_one_destroy(cluster: Cluster) -> None:
    cluster.workspace.configure(workloads={"wordpress": WORDPRESS})
    cluster.addons(**ALL)
    started = time.monotonic()
    with secrets.ArgumentWatch() as watch:
        gone = cluster.workspace.make("destroy")
    print(f"destroyed in {time.monotonic() - started:.1f} s")
    assert gone.code == 0, gone.text
    # What is in the cluster goes with it: nothing is uninstalled first.
    assert uninstalled(watch) == set()
    # That nothing else of the host is changed is the first cluster's to show.
    left = host.differences(cluster.before, host.facts())
    assert [line for line in left if STACK in line] == []
