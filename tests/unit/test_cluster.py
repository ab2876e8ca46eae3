"""The dev stack, as the program registers it."""

import pytest

from tests.unit.program import STEPS, run_dev
from tests.unit.recorder import CA_HASH, Recording, Registration

COMMAND = "command:remote:Command"
CONTAINER = "command:local:Command"
# What knows the names of all nodes.
MEMBERS = {"dev-members", "dev-membership"}
NODES = ["dev-server-1", "dev-agent-1", "dev-agent-2"]
# As `address` of the platform's settings gives them to dev-registration.
REGISTRATION = {"private": "10.120.82.97", "public": "10.121.82.97"}


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run_dev()


def stdin(dev: Recording, name: str) -> str:
    return dev.resources[name].inputs["stdin"]


def test_every_node_has_its_own_machine_and_steps_by_its_name(dev: Recording) -> None:
    for node in NODES:
        for resource in (node, *(f"{node}-{s}" for s in ("host-key", *STEPS))):
            assert resource in dev.resources


def test_every_connection_verifies_a_host_key_made_by_the_stack(dev: Recording) -> None:
    commands = dev.of_type(COMMAND)
    # Beside each node's own: bootstrap, kubeconfig, room, members, registration address, MetalLB's.
    assert len(commands) == len(STEPS) * len(NODES) + 6
    for command in commands:
        connection = command.inputs["connection"]
        assert connection["hostKey"].startswith("ssh-ed25519 dev-")
        assert connection["privateKey"] == "PRIVATE dev-operator-key"
        assert "connection" in command.secret_inputs


def test_every_connection_has_bounded_dials_and_every_command_a_bound(dev: Recording) -> None:
    for command in dev.of_type(COMMAND):
        assert 0 < command.inputs["connection"]["dialErrorLimit"] <= 60
        assert 0 < command.inputs["connection"]["perDialTimeout"] <= 60
        runs = [
            command.inputs[key] for key in ("create", "update", "delete") if key in command.inputs
        ]
        assert runs
        assert [line for line in runs if not line.startswith("timeout -k 10 ")] == []


def test_a_node_is_reached_on_its_public_address_and_joins_on_the_private_one(
    dev: Recording,
) -> None:
    agent = next(node for node in dev.outputs["nodes"] if node["name"] == "dev-agent-1")
    connection = dev.resources["dev-agent-1-install"].inputs["connection"]
    assert [connection["host"]] == agent["addresses"]["public"]
    text = stdin(dev, "dev-agent-1-install")
    assert f"server: https://{REGISTRATION['private']}:6443" in text
    assert f"node-ip: {agent['addresses']['private'][0]}" in text
    assert f"node-external-ip: {agent['addresses']['public'][0]}" in text


def test_agents_join_with_the_agent_token_and_never_see_the_servers(dev: Recording) -> None:
    text = stdin(dev, "dev-agent-1-install")
    assert f"token: K10{CA_HASH}::node:dev-agent-token-made-by-the-stack" in text
    assert "dev-server-token-made-by-the-stack" not in text


def test_only_bootstrap_begins_a_cluster_and_nothing_can_run_it_again(dev: Recording) -> None:
    births = [c.name for c in dev.of_type(COMMAND) if "cluster-init" in _config(c)]
    assert births == ["dev-bootstrap"]
    bootstrap = dev.resources["dev-bootstrap"]
    assert "triggers" not in bootstrap.inputs
    assert set(bootstrap.ignores()) >= set(bootstrap.inputs)


def test_a_machine_made_anew_is_prepared_and_installed_anew(dev: Recording) -> None:
    for node in NODES:
        for step in STEPS:
            command = dev.resources[f"{node}-{step}"]
            assert command.inputs["triggers"] == [f"{node}-stdout"]
            assert command.request.deleteBeforeReplace


def test_nodes_are_drained_from_a_server_unless_that_goes_too(dev: Recording) -> None:
    for node in NODES:
        leaving = dev.resources[f"{node}-leaving"]
        assert leaving.inputs["delete"].endswith(f"-- delete leaving:{node}")
        assert leaving.request.deletedWith.endswith("::dev-server-1")


def test_agents_wait_for_the_server_and_a_server_for_the_bootstrap(dev: Recording) -> None:
    assert "dev-server-1-install" in dev.resources["dev-agent-1-install"].dependencies
    assert "dev-bootstrap" in dev.resources["dev-server-1-install"].dependencies
    assert "dev-agent-1-install" not in dev.resources["dev-agent-2-install"].dependencies


def test_what_holds_a_token_or_a_key_is_secret(dev: Recording) -> None:
    for name, resource in dev.resources.items():
        text = str(resource.inputs.get("stdin", ""))
        if "made-by-the-stack" in text or "PRIVATE dev-" in text:
            assert "stdin" in resource.secret_inputs, name
    for name in ("dev-kubeconfig",):
        hidden = set(dev.resources[name].request.additionalSecretOutputs)
        assert hidden >= {"stdout", "stderr"}
        assert dev.resources[name].inputs["logging"] == "none"


def test_no_secret_is_in_a_command_line(dev: Recording) -> None:
    for command in [*dev.of_type(COMMAND), *dev.of_type(CONTAINER)]:
        for key in ("create", "update", "delete"):
            line = command.inputs.get(key, "")
            assert "PRIVATE dev-" not in line
            assert "made-by-the-stack" not in line
            assert key not in command.secret_inputs


def test_outputs_are_those_that_are_documented_and_the_right_ones_are_secret(
    dev: Recording,
) -> None:
    assert set(dev.outputs) == {
        *("kubeconfig", "serverToken", "agentToken", "sshPrivateKey"),
        *("apiEndpoint", "nodes", "k3sVersion", "sshKnownHosts"),
    }
    assert dev.secret_outputs == {"kubeconfig", "serverToken", "agentToken", "sshPrivateKey"}


def test_the_outputs_say_where_the_cluster_is(dev: Recording) -> None:
    server = dev.outputs["nodes"][0]
    address = server["addresses"]["public"][0]
    assert server["name"] == "dev-server-1"
    assert (server["role"], server["group"]) == ("server", "server")
    assert server["ssh"] == f"ssh root@{address}"
    api = f"https://{REGISTRATION['public']}:6443"
    assert dev.outputs["apiEndpoint"] == api
    assert f"server: {api}" in dev.outputs["kubeconfig"]
    assert dev.outputs["k3sVersion"] == "v1.35.6+k3s1"
    assert f"{address} ssh-ed25519 dev-server-1-host-key\n" in dev.outputs["sshKnownHosts"]


def test_no_server_is_special_for_any_node(dev: Recording) -> None:
    """All join through the registration address, which the certificate of each server is for."""
    for node in NODES:
        assert f"server: https://{REGISTRATION['private']}:6443" in stdin(dev, f"{node}-install")
    for step in ("dev-bootstrap", "dev-server-1-install"):
        config = _config(dev.resources[step])
        assert [address in config for address in REGISTRATION.values()] == [True, True]


def test_the_registration_address_is_there_first_and_goes_with_its_container(
    dev: Recording,
) -> None:
    haproxy = dev.resources["dev-registration-haproxy"]
    assert "dev-registration-haproxy" in dev.resources["dev-bootstrap"].dependencies
    assert haproxy.request.deletedWith.endswith("::dev-registration")
    server = dev.outputs["nodes"][0]["addresses"]["private"][0]
    assert f"    server dev-server-1 {server}:6443\n" in haproxy.inputs["stdin"]
    assert haproxy.inputs["stdin"].count(":6443\n") == 2  # where it listens, and the one server


def test_further_servers_change_the_list_of_the_registration_address(dev: Recording) -> None:
    groups = {"server": {"role": "server", "count": 3}, "agent": {"role": "agent", "count": 2}}
    more = run_dev({"groups": groups})
    changed = {n for n in dev.resources if more.resources[n].inputs != dev.resources[n].inputs}
    # A server comes and goes by way of another one, now that there is one.
    own = {f"dev-server-1-{step}" for step in ("leaving", "registration")}
    assert changed == {"dev-registration-haproxy", *own, "dev-room", *MEMBERS}


def test_a_release_is_fetched_by_the_nodes_from_its_own_page(dev: Recording) -> None:
    text = stdin(dev, "dev-agent-1-prepare")
    assert "BASE_URL=https://github.com/k3s-io/k3s/releases/download/v1.35.6%2Bk3s1\n" in text
    assert not dev.of_type("command:remote:CopyToRemote")


def test_a_mirror_is_asked_for_all_files() -> None:
    mirror = {"from": "mirror", "url": "https://mirror.example/k3s/"}
    recording = run_dev({"k3s": {"version": "v1.35.6+k3s1", "artifacts": mirror}})
    text = stdin(recording, "dev-agent-1-prepare")
    assert "BASE_URL=https://mirror.example/k3s/v1.35.6%2Bk3s1\n" in text
    assert "INSTALLER_URL=https://mirror.example/k3s/v1.35.6%2Bk3s1/install.sh\n" in text


def test_adding_an_agent_registers_its_own_resources_only(dev: Recording) -> None:
    groups = {"server": {"role": "server", "count": 1}, "agent": {"role": "agent", "count": 3}}
    more = run_dev({"groups": groups})
    new = set(more.resources) - set(dev.resources)
    assert new == {
        "dev-agent-3",
        *(f"dev-agent-3-{x}" for x in ("host-key", "wanted", "request", "generation", *STEPS)),
    }
    for name in set(dev.resources) - MEMBERS:
        assert more.resources[name].inputs == dev.resources[name].inputs, name


def test_who_leaves_is_told_to_the_first_server_when_all_have_registered(dev: Recording) -> None:
    """Nothing runs when the cluster is made; and a list that is taken back is another one again."""
    members, change = (dev.resources[name] for name in sorted(MEMBERS))
    assert "create" not in members.inputs
    assert members.inputs["update"].startswith("timeout -k 10 ")
    assert (
        members.inputs["connection"] == dev.resources["dev-server-1-install"].inputs["connection"]
    )
    assert f"NODES='{' '.join(sorted(NODES))}'\n" in stdin(dev, "dev-members")
    assert change.inputs["keepers"] == {"nodes": " ".join(sorted(NODES))}
    assert "CHANGE=dev-membership-hex\n" in stdin(dev, "dev-members")
    waits = {urn.rpartition("::")[2] for urn in members.request.dependencies}
    assert {f"{node}-registration" for node in NODES} <= waits


def test_servers_that_have_gone_leave_before_others_join_or_change(dev: Recording) -> None:
    """Only another list of servers asks for that, and nothing runs when the cluster is made."""
    room = dev.resources["dev-room"]
    assert "create" not in room.inputs
    assert room.inputs["update"].startswith("timeout -k 10 ")
    assert room.inputs["connection"] == dev.resources["dev-server-1-install"].inputs["connection"]
    assert "NODES=dev-server-1\n" in stdin(dev, "dev-room")
    assert "dev-room" in dev.resources["dev-server-1-drain"].dependencies
    assert "dev-server-1-uncordon" in dev.resources["dev-server-1-install"].dependencies


def test_a_node_leaves_before_its_machine_is_made_anew(dev: Recording) -> None:
    for node in NODES:
        leaving = dev.resources[f"{node}-leaving"]
        assert leaving.inputs["delete"].startswith("timeout -k 10 ")
        assert leaving.inputs["triggers"] == [f"{node}-stdout"]
        assert leaving.request.deleteBeforeReplace
        # It is there before the node joins: a join that fails may have got half-way.
        assert f"{node}-leaving" in dev.resources[f"{node}-install"].dependencies
        assert "create" not in leaving.inputs


def test_labels_reach_the_configuration_and_the_registration() -> None:
    groups = {
        "server": {"role": "server", "count": 1},
        "db": {
            "role": "agent",
            "nodes": ["a"],
            "labels": {"disk": "fast"},
            "taints": ["dedicated=db:NoSchedule"],
        },
    }
    recording = run_dev({"groups": groups})
    install, registration = (stdin(recording, f"dev-db-a-{x}") for x in ("install", "registration"))
    assert "node-label:\n- disk=fast\nnode-taint:\n- dedicated=db:NoSchedule" in install
    assert "LABELS=disk=fast\nTAINTS=dedicated=db:NoSchedule\n" in registration


def test_every_component_has_a_type_of_this_project_and_hangs_under_the_cluster(
    dev: Recording,
) -> None:
    components = [r for r in dev.resources.values() if not r.request.custom]
    assert {(r.type, r.parent) for r in components} == {
        ("k3s:cluster:K3sCluster", "k3s-dev"),
        ("k3s:platforms:Local", "dev"),
        ("k3s:cluster:K3s", "dev"),
        ("k3s:addons:Metallb", "dev"),
    }
    assert all(r.parent for r in dev.resources.values())


def _config(command: Registration) -> str:
    text = command.inputs.get("stdin", "")
    return text[text.find("CONFIG=") : text.find("\nset -eu")] if "CONFIG=" in text else ""
