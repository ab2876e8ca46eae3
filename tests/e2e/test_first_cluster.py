"""The dev stack's shape on this machine: one server, two agents, made and taken away by `make`.

The tests run in the order in which they stand: the last one takes the cluster away.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import host
from tests.e2e import secrets
from tests.e2e.conftest import SETTINGS, STACK, Cluster
from tests.e2e.kubernetes import is_ready, until, wrong_addresses

pytestmark = pytest.mark.nodes

AGENTS = [f"{STACK}-agent-1", f"{STACK}-agent-2"]
WEB = Path(__file__).with_name("web.yaml")


def on_node(container: str, *command: str, stdin: str | None = None) -> str:
    run = subprocess.run(
        ["podman", "exec", "--interactive", container, *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return run.stdout


def ssh_logins(cluster: Cluster) -> int:
    """How often anybody logged in on any node, by sshd's own words."""
    count = 0
    for container in cluster.containers:
        on_node(container, "journalctl", "--sync")  # what sshd has said is taken in
        journal = on_node(container, "journalctl", "--no-pager", "-t", "sshd")
        count += journal.count("Accepted publickey")
    return count


def test_make_up_ends_with_the_nodes_the_seconds_and_the_line_to_export(cluster: Cluster) -> None:
    last = cluster.up.stdout.strip().splitlines()
    assert re.fullmatch(rf"stack {STACK} is up after \d+\.\d s", last[-2])
    assert last[-1] == f"export KUBECONFIG={cluster.kubectl.kubeconfig}"
    for node in (f"{STACK}-server-1", *AGENTS):
        assert re.search(rf"^{node} +Ready", cluster.up.stdout, re.MULTILINE)


def test_one_server_and_two_agents_are_ready_with_the_version_that_was_asked_for(
    cluster: Cluster,
) -> None:
    nodes = {node["metadata"]["name"]: node for node in cluster.nodes()}
    assert set(nodes) == {f"{STACK}-server-1", *AGENTS}
    assert all(map(is_ready, nodes.values()))
    versions = {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes.values()}
    assert versions == {cluster.outputs["k3sVersion"]}


def test_the_wide_listing_shows_roles_and_both_addresses(cluster: Cluster) -> None:
    rows = cluster.kubectl("get", "nodes", "--output", "wide").splitlines()[1:]
    print("\n".join(rows))
    assert wrong_addresses(cluster.nodes(), cluster.outputs["nodes"]) == []
    listed = {row.split()[0]: row for row in rows}
    assert "control-plane" in listed[f"{STACK}-server-1"]
    for node in cluster.outputs["nodes"]:
        for side in ("private", "public"):
            assert node["addresses"][side][0] in listed[node["name"]].split()


def test_pods_reach_the_api_on_the_servers_private_address(cluster: Cluster) -> None:
    slices = cluster.kubectl.json("get", "endpointslices", "kubernetes")
    server = next(node for node in cluster.outputs["nodes"] if node["role"] == "server")
    assert [e["addresses"] for e in slices["endpoints"]] == [server["addresses"]["private"]]


def test_pods_on_different_nodes_speak_over_the_private_network(cluster: Cluster) -> None:
    for node in cluster.outputs["nodes"]:
        container, (address,) = f"k3s-{node['name']}", node["addresses"]["private"]
        private = on_node(container, "ip", "-o", "address", "show", "to", address).split()[1]
        assert f" dev {private} " in on_node(
            container, "ip", "-o", "-d", "link", "show", "flannel.1"
        )
        # Left to itself, flannel takes the interface of the default route.
        assert f" dev {private} " not in on_node(container, "ip", "route", "show", "default")


def test_labels_of_the_group_are_on_its_nodes_only(cluster: Cluster) -> None:
    labelled = cluster.kubectl("get", "nodes", "-l", "tests.example/disk=fast", "-o", "name")
    assert sorted(labelled.split()) == [f"node/{agent}" for agent in AGENTS]


def test_a_service_answers_by_name_from_a_pod_on_each_agent(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--filename", "-", stdin=WEB.read_text())
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "500s")
    pods = cluster.kubectl.json("get", "pods", "--selector", "app=web")["items"]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == AGENTS
    names = {pod["metadata"]["name"] for pod in pods}
    for pod in sorted(names):
        answered: set[str] = set()

        # A Service's rules reach the nodes a moment after the rollout is told as done.
        def asks(pod: str = pod, answered: set[str] = answered) -> bool:
            words = ["exec", pod, "--", "/http-echo", "get", "http://web.default.svc.cluster.local"]
            run = cluster.kubectl.attempt(*words)
            print(run.stdout, run.stderr)
            answered.update(name for name in names if name in run.stdout)
            return answered == names

        # Each of the two replicas answers in turn: so the other node is reached as well.
        until(60, f"both replicas answer {pod} by the Service's name", asks)


def test_logs_of_a_pod_on_an_agent_come_through_the_server(cluster: Cluster) -> None:
    assert "/" in cluster.kubectl("logs", "--selector", "app=web", "--tail", "3", "--prefix")


def test_the_kubeconfig_is_named_after_the_stack_and_for_its_user_alone(cluster: Cluster) -> None:
    file = cluster.kubectl.kubeconfig
    assert file.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(file.read_text())["current-context"] == STACK
    printed = cluster.workspace.make("kubeconfig")
    assert yaml.safe_load(printed.stdout) == yaml.safe_load(file.read_text())


def test_make_nodes_lists_them_without_a_kubectl(cluster: Cluster) -> None:
    printed = cluster.workspace.make("nodes")
    assert printed.code == 0, printed.text
    for node in cluster.outputs["nodes"]:
        line = next(row for row in printed.stdout.splitlines() if row.startswith(node["name"]))
        assert {"Ready", *node["addresses"]["private"], *node["addresses"]["public"]} <= set(
            line.split()
        )


def test_a_second_up_changes_nothing_and_makes_no_ssh_connection(cluster: Cluster) -> None:
    logins = ssh_logins(cluster)
    assert logins > 0
    again = cluster.workspace.make("up")
    assert again.code == 0, again.text
    assert re.search(r"^up done: \d+ unchanged; [\d.]+ s$", again.text, re.MULTILINE), again.text
    assert ssh_logins(cluster) == logins


def test_the_same_holds_after_a_refresh(cluster: Cluster) -> None:
    logins = ssh_logins(cluster)
    refreshed = cluster.workspace.make("refresh")
    assert refreshed.code == 0, refreshed.text
    again = cluster.workspace.make("up")
    assert again.code == 0, again.text
    assert re.search(r"^up done: \d+ unchanged; [\d.]+ s$", again.text, re.MULTILINE), again.text
    assert ssh_logins(cluster) == logins


def _secrets(cluster: Cluster) -> dict[str, str]:
    outputs = cluster.outputs
    user = yaml.safe_load(outputs["kubeconfig"])["users"][0]["user"]
    texts = {
        "server token": outputs["serverToken"].rpartition(":")[2],
        "agent token": outputs["agentToken"].rpartition(":")[2],
        "operator's key": outputs["sshPrivateKey"],
        "kubeconfig's key": user["client-key-data"],
        "passphrase": (cluster.workspace.state / "passphrase").read_text().strip(),
    }
    for container in cluster.containers:
        texts[f"host key of {container}"] = on_node(
            container, "cat", "/etc/ssh/ssh_host_ed25519_key"
        )
    return secrets.canaries(texts)


def test_no_secret_is_in_output_or_logs(cluster: Cluster) -> None:
    texts = {f"make, {n}": text for n, text in enumerate(cluster.workspace.said)}
    # `make kubeconfig` prints its own, and nothing else: asked for, and only there.
    texts = {place: text for place, text in texts.items() if "client-key-data" not in text}
    texts["make outputs"] = cluster.workspace.make("outputs").text
    for container in cluster.containers:
        texts[f"journal of {container}"] = on_node(container, "journalctl", "--no-pager")
        inspected = ["podman", "inspect", container]
        texts[f"podman inspect {container}"] = subprocess.run(
            inspected, capture_output=True, text=True, check=True
        ).stdout
    assert secrets.in_texts(_secrets(cluster), texts) == []


def test_no_secret_is_in_the_state_in_clear(cluster: Cluster) -> None:
    state = cluster.workspace.state
    files = [f for f in state.rglob("*") if f.is_file()]
    meant = {state / "passphrase", cluster.kubectl.kubeconfig}
    assert meant <= set(files)
    assert secrets.in_files(_secrets(cluster), [f for f in files if f not in meant]) == []
    assert all(file.stat().st_mode & 0o077 == 0 for file in meant)


def test_no_secret_was_in_any_process_arguments(cluster: Cluster) -> None:
    seen = {arguments: arguments for arguments in cluster.arguments}
    assert any("sh -s -- create install:" in arguments for arguments in seen)
    assert secrets.in_texts(_secrets(cluster), seen) == []


def test_no_secret_is_in_a_file_that_anybody_can_read(cluster: Cluster) -> None:
    found = secrets.readable_by_all(
        _secrets(cluster),
        [cluster.workspace.folder, Path("/tmp"), Path("/dev/shm"), Path("/var/tmp")],  # noqa: S108
    )
    for container in cluster.containers:
        found += secrets.readable_by_all_on_node(_secrets(cluster), container)
    assert found == []


@pytest.mark.usefixtures("cluster")
def test_a_planted_secret_is_found_in_each_of_these_places(
    tmp_path: Path,
) -> None:
    canary = {"canary": "a-canary-that-sings-4f1c"}
    node = f"k3s-{AGENTS[0]}"
    on_node(node, "sh", "-c", "umask 022; cat >/etc/planted", stdin=canary["canary"])
    try:
        found = secrets.readable_by_all_on_node(canary, node)
    finally:
        on_node(node, "rm", "/etc/planted")
    assert found == [f"{node}: /etc/planted"]

    planted = Path("/var/tmp/k3s-pulumi-planted")  # noqa: S108 - a place that anybody can read
    planted.write_text(canary["canary"])
    try:
        planted.chmod(0o644)
        assert secrets.readable_by_all(canary, [planted.parent]) == [str(planted)]
        planted.chmod(0o600)
        assert secrets.readable_by_all(canary, [planted.parent]) == []
    finally:
        planted.unlink()

    inside = tmp_path / "state.json"
    inside.write_text(json.dumps({"token": canary["canary"]}))
    assert secrets.in_files(canary, [inside]) == [f"{inside}: canary"]

    wait = f"until [ -e /run/seen ]; do sleep 0.2; done # {canary['canary']}"
    argument = ["podman", "exec", node, "timeout", "300", "sh", "-c", wait]
    with secrets.ArgumentWatch() as watch, subprocess.Popen(argument) as planted_there:
        until(
            30,
            "it is seen",
            lambda: secrets.in_texts(canary, {a: a for a in frozenset(watch.seen)}),
        )
        on_node(node, "sh", "-c", "touch /run/seen")
    assert planted_there.returncode == 0
    on_node(node, "rm", "/run/seen")


def test_a_node_without_its_external_ip_is_noticed(cluster: Cluster) -> None:
    node = f"k3s-{AGENTS[1]}"
    config = "/etc/rancher/k3s/config.yaml"
    before = on_node(node, "cat", config)
    without = re.sub(r"(?m)^node-external-ip:.*\n", "", before)
    assert without != before
    try:
        on_node(node, "sh", "-c", f"cat >{config}", stdin=without)
        on_node(node, "systemctl", "restart", "k3s-agent")
        until(
            60,
            "the fault is told",
            lambda: wrong_addresses(cluster.nodes(), cluster.outputs["nodes"]),
        )
    finally:
        on_node(node, "sh", "-c", f"cat >{config}", stdin=before)
        on_node(node, "systemctl", "restart", "k3s-agent")
    until(
        60,
        "the addresses are right again",
        lambda: not wrong_addresses(cluster.nodes(), cluster.outputs["nodes"]),
    )


def _machines(cluster: Cluster) -> dict[str, str]:
    """The containers' ids by their names."""
    words = ["podman", "inspect", "--format", "{{.Name}} {{.Id}}", *cluster.containers]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in listed.splitlines())


def test_a_machine_is_made_anew_once_when_its_name_newly_stands_in_replace(
    cluster: Cluster,
) -> None:
    machines, uids = _machines(cluster), _uids(cluster)
    cluster.workspace.configure(replace=[AGENTS[0]])
    try:
        replaced = cluster.workspace.make("up")
        assert replaced.code == 0, replaced.text
        now = _machines(cluster)
        assert {name for name in now if now[name] != machines[name]} == {f"k3s-{AGENTS[0]}"}
        assert {name for name, uid in _uids(cluster).items() if uid != uids[name]} == {AGENTS[0]}
        assert all(map(is_ready, cluster.nodes()))
        assert wrong_addresses(cluster.nodes(), cluster.outputs["nodes"]) == []
        again = cluster.workspace.make("up")
        assert re.search(r"^up done: \d+ unchanged; ", again.text, re.MULTILINE), again.text
    finally:
        cluster.workspace.configure(replace=[])
    without = cluster.workspace.make("up")
    assert without.code == 0, without.text
    assert _machines(cluster) == now


def _uids(cluster: Cluster) -> dict[str, str]:
    return {node["metadata"]["name"]: node["metadata"]["uid"] for node in cluster.nodes()}


def test_another_image_or_memory_is_for_machines_to_come(cluster: Cluster) -> None:
    networks = SETTINGS["local"]
    assert isinstance(networks, dict)
    machines = _machines(cluster)
    cluster.workspace.configure(local=networks | {"memory": "3g"})
    try:
        changed = cluster.workspace.make("up")
        assert re.search(r"^up done: \d+ unchanged; ", changed.text, re.MULTILINE), changed.text
        assert _machines(cluster) == machines
    finally:
        cluster.workspace.configure(local=networks)


def test_destroy_leaves_nothing_and_the_host_as_it_was(cluster: Cluster) -> None:
    gone = cluster.workspace.make("destroy")
    assert gone.code == 0, gone.text
    assert host.left(cluster.before, STACK, "10.122.", "10.123.") == []
    assert not cluster.kubectl.kubeconfig.exists()
