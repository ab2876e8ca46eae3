"""A node that waits for its cloud, and what the controller made taken down: on a real API server.

Neither is here: the test does to Nodes and Services what the cloud controller would,
and nothing more.
"""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from components.addons.webhook import SCRIPTS
from components.k3s.config import NodeFacts, ServerFacts, bootstrap_config
from components.k3s.settings import K3sSettings
from components.k3s.step import Step
from components.scripts import compose
from tests.conftest import K3sRelease
from tests.e2e.kubernetes import until
from tests.lab.kubernetes_cluster import Cluster, running_cluster
from tests.lab.node_stack import NodeStack, refused, succeeded

pytestmark = pytest.mark.nodes

K3S_SCRIPTS = Step("lib", seconds=1).folder
PROVIDER_ID = "digitalocean://4711"
TAINT = "node.cloudprovider.kubernetes.io/uninitialized"
HELD = "service.kubernetes.io/load-balancer-cleanup"
DRIVER = "dobs.csi.digitalocean.com"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


@pytest.fixture(scope="module")
def cloud(node_image: str, k3s_release: K3sRelease) -> Iterator[Cluster]:
    """One node, by the very configuration that the program writes on a cloud."""

    def configured(address: str) -> Mapping[str, Any]:
        node = NodeFacts(
            name="node-1",
            role="server",
            private=[address],
            public=[],
            external_cloud=True,
            provider_id=PROVIDER_ID,
        )
        server = ServerFacts(agent_token="agents", tls_san=[address])
        k3s = K3sSettings(version="v1.35.6+k3s1", disable=("servicelb", "traefik"))
        return bootstrap_config(node, server, k3s, "a-token")

    stack = NodeStack(node_image, network="k3slab-ccm", private="10.98.14", public="10.98.15")
    with running_cluster(node_image, k3s_release.folder, stack, configured) as made:
        yield made


def script(
    cluster: Cluster, action: str, *, seconds: int | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """cloud.sh, as the program runs it on a server, or giving up waiting after `seconds`."""
    text = compose(
        [K3S_SCRIPTS / "lib.sh", SCRIPTS / "volumes.sh", SCRIPTS / "cloud.sh"],
        {
            **{"NODE": "node-1", "STEP": "cloud", "NODES": f"node-1 {PROVIDER_ID}"},
            **{"WORKLOADS": "", "LOGS": "app=controller", "DESTROY": "false", "TAKE_DOWN": "false"},
            **{"DRIVERS": DRIVER.replace(".", r"\."), **variables},
        },
    )
    if seconds is not None:
        bounds = r"^(MET|BALANCERS|VOLUMES)_SECONDS=\d+$"
        text, found = re.subn(bounds, rf"\1_SECONDS={seconds}", text, flags=re.M)
        assert found == 3
    return run(cluster, text, action)


def run(cluster: Cluster, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    inside = ("podman", "exec", "--interactive", cluster.nodes.stack.container(1))
    return subprocess.run(
        [*inside, "sh", "-s", "--", *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def apply(cluster: Cluster, *bodies: Mapping[str, Any]) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})
    succeeded(run(cluster, f"k3s kubectl apply --filename - <<'END'\n{listed}\nEND\n"))


@contextmanager
def meanwhile(act: Callable[[], bool]) -> Iterator[None]:
    """Asks `act` again and again, on the side, until it has done what it was to do."""
    ended = threading.Event()

    def repeat() -> None:
        while not act() and not ended.wait(0.5):
            pass

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def service(name: str, *finalizers: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "finalizers": list(finalizers)},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
    }


def volume(name: str, policy: str, driver: str = DRIVER) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": policy,
            "csi": {"driver": driver, "volumeHandle": name},
            "claimRef": {"namespace": "default", "name": f"{name}-claim"},
        },
    }


def test_a_node_registers_with_its_provider_id_and_takes_no_pods(cloud: Cluster) -> None:
    node = cloud.nodes.node(1)
    assert node["spec"]["providerID"] == PROVIDER_ID
    assert TAINT in [taint["key"] for taint in node["spec"]["taints"]]
    told = {a["type"]: a["address"] for a in node["status"]["addresses"]}
    assert told == {"InternalIP": cloud.nodes.stack.private_ip(1), "Hostname": "node-1"}
    ready = [c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"]


def test_kube_proxy_tells_a_balancer_whether_the_node_takes_traffic(cloud: Cluster) -> None:
    url = f"http://{cloud.nodes.stack.private_ip(1)}:10256/healthz"

    def answers() -> bool:
        """503 while the node's taint says that it takes no traffic; no connection is an error."""
        told = cloud.nodes.stack.inside(1, "curl", "-sS", "-m", "5", "-w", "%{http_code}", url)
        return re.search(r"(200|503)$", told) is not None

    until(20, "kube-proxy answers", answers)


def test_registration_does_not_wait_for_what_the_controller_tells(cloud: Cluster) -> None:
    text = compose(
        [K3S_SCRIPTS / f"{part}.sh" for part in ("lib", "nodes", "removal", "registration")],
        {
            **{"NODE": "node-1", "STEP": "registration", "EXTERNAL_IPS": "203.0.113.9"},
            **{"INTERNAL_IPS": cloud.nodes.stack.private_ip(1), "POD_NETWORK": "yes"},
            **{"LABELS": "", "TAINTS": "", "EXTERNAL_CLOUD": "yes"},
        },
    )
    assert succeeded(run(cloud, text, "create")) == "node-1 registered"


def test_a_node_that_the_controller_does_not_meet_is_named_with_the_cause(cloud: Cluster) -> None:
    words = refused(script(cloud, "create", seconds=2))
    assert f"node-1: the cloud controller has not met it (taint {TAINT})" in words
    absent = refused(script(cloud, "create", seconds=1, NODES=f"node-2 {PROVIDER_ID}"))
    assert "node-2: there is no such node" in absent


def test_a_node_of_another_provider_id_is_told_at_once(cloud: Cluster) -> None:
    before = time.monotonic()
    words = refused(script(cloud, "create", NODES="node-1 digitalocean://42"))
    assert time.monotonic() - before < 300  # for half of the time that it waits for others
    assert f"node-1 ({PROVIDER_ID}) — a Node keeps its provider id for life" in words
    assert "take such nodes out of their groups and put them back" in words


def test_the_step_ends_when_the_controller_has_met_the_node(cloud: Cluster) -> None:
    started = time.monotonic()

    def controller() -> bool:
        if time.monotonic() - started < 3:
            return False
        cloud.nodes.kubectl("taint", "node", "node-1", f"{TAINT}-")
        return True

    with meanwhile(controller):
        words = script(cloud, "create", seconds=600)
    assert words.returncode == 0, words.stderr
    assert time.monotonic() - started >= 3
    assert "the cloud controller has met every node" in words.stderr


def test_a_part_that_does_not_come_up_is_named(cloud: Cluster) -> None:
    labels = {"app": "controller"}
    pod = {"containers": [{"name": "c", "image": "nowhere.example/none:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "csi", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    apply(cloud, body)
    words = refused(script(cloud, "create", seconds=2, WORKLOADS="kube-system deployment/csi"))
    assert "not all up after 2 s: deployment/csi" in words
    cloud.nodes.kubectl("delete", "deployment", "csi", "-n", "kube-system")


def test_balancers_are_waited_for_while_the_controller_takes_them_down(cloud: Cluster) -> None:
    apply(
        cloud,
        service("web", HELD, loadBalancerSourceRanges=["192.0.2.0/24"]),
        service("local", HELD, externalTrafficPolicy="Local"),
        service("elsewhere", loadBalancerClass="example.com/other"),
    )
    cloud.nodes.kubectl("annotate", "service", "local", f"{RANGES}=192.0.2.0/24")
    freed: list[float] = []
    started = time.monotonic()

    def controller() -> bool:
        """As the cloud's: what no longer wants a balancer has none, after a while."""
        kinds = {n: cloud.get("service", n)["spec"]["type"] for n in ("web", "local")}
        if set(kinds.values()) != {"ClusterIP"} or time.monotonic() - started < 4:
            return False
        freed.append(time.monotonic())
        for name in kinds:
            gone = '{"metadata":{"finalizers":null}}'
            cloud.nodes.kubectl("patch", "service", name, "--type", "merge", "-p", gone)
        return True

    with meanwhile(controller):
        done = script(cloud, "delete", seconds=600)
    assert done.returncode == 0, done.stderr
    assert freed
    assert time.monotonic() >= freed[0]
    assert "lets balancers go: default local LoadBalancer;default web LoadBalancer" in done.stderr
    assert cloud.get("service", "web")["spec"]["type"] == "ClusterIP"
    assert cloud.get("service", "elsewhere")["spec"]["type"] == "LoadBalancer"
    cloud.nodes.kubectl("delete", "service", "web", "local", "elsewhere")


def test_a_balancer_that_never_goes_fails_with_its_name_and_what_is_said_of_it(
    cloud: Cluster,
) -> None:
    apply(cloud, service("stuck", HELD))
    uid = cloud.get("service", "stuck")["metadata"]["uid"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "stuck.1", "namespace": "default"},
        "involvedObject": {"kind": "Service", "name": "stuck", "namespace": "default", "uid": uid},
        "reason": "SyncLoadBalancerFailed",
        "message": "the API token is expired",
        "type": "Warning",
    }
    apply(cloud, event)
    words = refused(script(cloud, "delete", seconds=3))
    assert "balancers are still there after 3 s: default stuck ClusterIP" in words
    assert "the API token is expired" in words
    gone = '{"metadata":{"finalizers":null}}'
    cloud.nodes.kubectl("patch", "service", "stuck", "--type", "merge", "-p", gone)
    cloud.nodes.kubectl("delete", "service", "stuck")


def free(cloud: Cluster, name: str) -> None:
    gone = '{"metadata":{"finalizers":null}}'
    cloud.nodes.kubectl("patch", "service", name, "--type", "merge", "-p", gone)
    cloud.nodes.kubectl("delete", "service", name)


def test_the_key_is_not_taken_out_before_its_balancers(cloud: Cluster) -> None:
    apply(cloud, service("web", HELD))
    stack = cloud.nodes.stack
    config = stack.inside(1, "cat", "/etc/rancher/k3s/config.yaml")
    try:
        # k3s has been told first that it is without a cloud again.
        told = "/^disable-cloud-controller:/d"
        stack.inside(1, "sed", "-i", told, "/etc/rancher/k3s/config.yaml")
        words = refused(script(cloud, "delete"))
        assert "this is still in the cloud: default web LoadBalancer" in words
        assert "put addons.cloudController back with takeDown: true" in words
        assert cloud.get("service", "web")["spec"]["type"] == "LoadBalancer"
        free(cloud, "web")
        assert script(cloud, "delete").returncode == 0
    finally:
        succeeded(run(cloud, f"cat >/etc/rancher/k3s/config.yaml <<'END'\n{config}\nEND\n"))


def test_balancers_go_with_the_up_that_asks_for_it(cloud: Cluster) -> None:
    apply(cloud, service("web"))
    done = script(cloud, "create", seconds=600, TAKE_DOWN="true")
    assert done.returncode == 0, done.stderr
    assert "lets balancers go: default web LoadBalancer" in done.stderr
    assert cloud.get("service", "web")["spec"]["type"] == "ClusterIP"
    cloud.nodes.kubectl("delete", "service", "web")


def test_volumes_stay_unless_all_data_is_to_go_and_then_those_that_are_kept_go_too(
    cloud: Cluster,
) -> None:
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "do-block-storage"},
        "provisioner": DRIVER,
    }
    other = volume("other", "Retain", "other.example.com")
    apply(cloud, storage_class, volume("kept", "Retain"), volume("plain", "Delete"), other)
    told = script(cloud, "delete")
    assert told.returncode == 0, told.stderr
    assert "but for volumes" in told.stderr
    assert len(cloud.names("persistentvolume")) == 3

    def driver() -> bool:
        """As the CSI driver's: what is to be deleted is, once its policy says so."""
        for name in ("kept", "plain"):
            found = cloud.get("persistentvolume", name)
            if found and found["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
                cloud.nodes.kubectl(
                    *("delete", "persistentvolume", name, "--wait=false", "--ignore-not-found")
                )
        return False

    with meanwhile(driver):
        gone = script(cloud, "delete", seconds=600, DESTROY="true")
    assert gone.returncode == 0, gone.stderr
    assert cloud.names("persistentvolume") == {"persistentvolume/other"}
    assert cloud.get("storageclass", "do-block-storage") is None
    cloud.nodes.kubectl("delete", "persistentvolume", "other", "--wait=false")


AGENT = "kubelet-arg:\n- cloud-provider=external\n"
# As k3s is while its network policies wait for the controller: it runs, and has not said so. The
# node is a server, so that the kubelet's own port is taken.
PORT = "10251"
WAITING = f"""
[Service]
Type=oneshot
ExecStart=/usr/sbin/sshd -D -p {PORT}
"""


@pytest.mark.parametrize(("config", "runs"), [(AGENT, True), ("node-name: node-2\n", False)])
def test_an_agent_that_waits_for_the_controller_has_started(
    cloud: Cluster, config: str, runs: bool
) -> None:
    unit = "/run/systemd/system/k3s-agent.service"
    text = compose(
        [K3S_SCRIPTS / f"{part}.sh" for part in ("lib", "rejoin", "service")],
        {"NODE": "node-2", "STEP": "install", "ROLE": "agent", "CONFIG": config},
    )
    patience = 300 if runs else 5
    for told, instead in ((" 420 has_started", f" {patience} has_started"), (":10250", f":{PORT}")):
        assert text.count(told) == 1
        text = text.replace(told, instead)
    succeeded(run(cloud, f"cat >{unit} <<'END'{WAITING}END\nsystemctl daemon-reload\n"))
    try:
        done = run(cloud, f"{text}\nmain() {{ start start; echo started; }}\nmain </dev/null\n")
    finally:
        run(cloud, f"systemctl stop k3s-agent; rm -f {unit}; systemctl daemon-reload")
    assert done.stdout == ("started\n" if runs else ""), done.stderr
    assert ("k3s does not start" in done.stderr) is not runs
