"""The staging stack on DigitalOcean, as the program registers it, plain and with more asked."""

import ipaddress
from collections.abc import Mapping

import pytest
import yaml

from tests.unit import answers_digitalocean
from tests.unit.program import run_stack
from tests.unit.recorder import Recording, Registration

NODES = ["staging-server-1", "staging-agent-1", "staging-agent-2"]
GROUPS = {"server": {"role": "server", "count": 1}, "agent": {"role": "agent", "count": 1}}
K3S = {"version": "v1.35.6+k3s1"}
DUAL_STACK = {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"}


@pytest.fixture(scope="module")
def plain() -> Recording:
    return run_stack("staging")


@pytest.fixture(scope="module")
def kept() -> Recording:
    """Reserved IPs, raw disks, and nothing of either to be deleted."""
    store = {"role": "agent", "nodes": ["a"], "disks": [100, 200]}
    return run_stack(
        "staging",
        {
            "groups": GROUPS | {"store": store},
            "network": {"fixedAddresses": "servers"},
            "protect": True,
        },
    )


@pytest.fixture(scope="module")
def dual() -> Recording:
    k3s = K3S | DUAL_STACK | {"flannelBackend": "wireguard-native"}
    return run_stack("staging", {"groups": GROUPS, "network": {"ipv6": True}, "k3s": k3s})


def of(recording: Recording, kind: str) -> list[Registration]:
    return recording.of_type(f"digitalocean:index/{kind[0].lower()}{kind[1:]}:{kind}")


def one(recording: Recording, kind: str, name: str) -> Registration:
    (found,) = [resource for resource in of(recording, kind) if resource.name == name]
    return found


def rules(recording: Recording, firewall: str) -> dict[str, dict]:
    """Inbound rules by protocol and ports."""
    listed = one(recording, "Firewall", f"staging-firewall-{firewall}").inputs["inboundRules"]
    by_port = {f"{rule['protocol']} {rule.get('portRange', '')}".strip(): rule for rule in listed}
    assert len(by_port) == len(listed), "DigitalOcean takes a protocol and port once"
    return by_port


def node(recording: Recording, name: str) -> dict:
    return next(node for node in recording.outputs["nodes"] if node["name"] == name)


def test_every_node_is_a_droplet_in_the_vpc_with_its_size(plain: Recording) -> None:
    sizes = {d.name: d.inputs["size"] for d in of(plain, "Droplet")}
    assert sizes == {
        "staging-server-1": "s-2vcpu-4gb",
        "staging-agent-1": "s-4vcpu-8gb",
        "staging-agent-2": "s-4vcpu-8gb",
    }
    for droplet in of(plain, "Droplet"):
        assert droplet.inputs["name"] == droplet.name
        assert droplet.inputs["vpcUuid"] == "staging-vpc-id"
        assert droplet.inputs["region"] == "fra1"
        assert droplet.inputs["ipv6"] is False


def test_no_password_is_mailed_and_no_agent_lets_others_in(plain: Recording) -> None:
    assert one(plain, "SshKey", "staging-ssh-key").inputs["publicKey"] == (
        "ssh-ed25519 staging-operator-key"
    )
    for droplet in of(plain, "Droplet"):
        assert droplet.inputs["sshKeys"] == ["staging-ssh-key-id"]
        assert droplet.inputs["dropletAgent"] is False


def test_a_droplet_learns_its_host_key_from_its_user_data_which_is_secret(plain: Recording) -> None:
    for name in NODES:
        droplet = one(plain, "Droplet", name)
        config = yaml.safe_load(droplet.inputs["userData"])
        assert config["ssh_keys"]["ed25519_private"].strip() == f"PRIVATE {name}-host-key"
        assert config["hostname"] == name
        assert droplet.secret_inputs == {"userData"}
        connection = plain.resources[f"{name}-install"].inputs["connection"]
        assert connection["hostKey"].strip() == config["ssh_keys"]["ed25519_public"]
        assert connection["user"] == config["users"][0]["name"] == "k3s"


def test_a_new_image_or_key_makes_no_machine_anew(plain: Recording) -> None:
    for droplet in of(plain, "Droplet"):
        assert set(droplet.ignores()) == {"image", "userData", "sshKeys"}
        assert droplet.request.deleteBeforeReplace


def test_no_droplet_is_there_before_its_firewall(plain: Recording) -> None:
    firewall = one(plain, "Firewall", "staging-firewall-ssh")
    assert firewall.inputs["tags"] == ["k3s-staging"]
    assert not [d for d in firewall.dependencies if d in NODES]
    for droplet in of(plain, "Droplet"):
        assert "staging-firewall-ssh" in droplet.dependencies
        assert firewall.inputs["tags"][0] in droplet.inputs["tags"]


def test_ssh_comes_in_from_the_operator_and_everything_goes_out(plain: Recording) -> None:
    assert rules(plain, "ssh") == {
        "tcp 22": {
            "protocol": "tcp",
            "portRange": "22",
            "sourceAddresses": ["203.0.113.0/24"],
        }
    }
    out = one(plain, "Firewall", "staging-firewall-ssh").inputs["outboundRules"]
    assert {rule["protocol"] for rule in out} == {"tcp", "udp", "icmp"}
    assert all(rule["destinationAddresses"] == ["0.0.0.0/0"] for rule in out)


def test_between_nodes_only_the_clusters_own_tags_come_in(plain: Recording) -> None:
    both = ["k3s-staging-servers", "k3s-staging-agents"]
    agents = rules(plain, "agents")
    assert set(agents) == {"tcp 10250", "udp 8472", "tcp 9100", "icmp"}
    for rule in agents.values():
        assert rule["sourceTags"] == both
        assert "sourceAddresses" not in rule
    servers = rules(plain, "servers")
    assert set(servers) == {*agents, "tcp 6443"}
    assert servers["tcp 6443"]["sourceTags"] == both
    assert servers["tcp 6443"]["sourceLoadBalancerUids"] == ["staging-balancer-id"]


def test_each_firewall_is_for_droplets_of_one_role(plain: Recording) -> None:
    for group, role in (("servers", "server"), ("agents", "agent")):
        tag = f"k3s-staging-{group}"
        assert one(plain, "Firewall", f"staging-firewall-{group}").inputs["tags"] == [tag]
        tagged = [d.name for d in of(plain, "Droplet") if tag in d.inputs["tags"]]
        assert tagged
        assert {node(plain, name)["role"] for name in tagged} == {role}


def test_every_tag_is_a_resource_of_the_stack(plain: Recording) -> None:
    made = {tag.inputs["name"] for tag in of(plain, "Tag")}
    used = {tag for d in of(plain, "Droplet") for tag in d.inputs["tags"]}
    assert used == made
    assert {t for f in of(plain, "Firewall") for t in f.inputs["tags"]} <= made


def test_the_balancer_lets_in_the_operator_and_the_nodes_that_join(plain: Recording) -> None:
    balancer = one(plain, "LoadBalancer", "staging-balancer").inputs
    own = [f"ip:{node(plain, name)['addresses']['public'][0]}" for name in NODES]
    assert balancer["firewall"] == {"allows": ["cidr:203.0.113.0/24", *own]}
    assert balancer["dropletTag"] == "k3s-staging-servers"
    assert balancer["vpcUuid"] == "staging-vpc-id"
    (rule,) = balancer["forwardingRules"]
    assert (rule["entryProtocol"], rule["entryPort"]) == ("tcp", 6443)
    assert (rule["targetProtocol"], rule["targetPort"]) == ("tcp", 6443)
    assert (balancer["healthcheck"]["protocol"], balancer["healthcheck"]["port"]) == ("tcp", 6443)


def test_nodes_join_and_people_come_by_the_balancers_address(plain: Recording) -> None:
    api = plain.outputs["apiEndpoint"]
    assert f"server: {api}" in plain.resources["staging-agent-1-install"].inputs["stdin"]
    assert f"server: {api}" in plain.outputs["kubeconfig"]


def test_k3s_waits_for_balancer_and_firewalls(plain: Recording) -> None:
    waits_for = plain.resources["staging-bootstrap"].dependencies
    assert waits_for >= {
        *("staging-balancer", "staging-firewall-servers", "staging-firewall-agents")
    }


def test_a_node_has_its_own_addresses_which_stay_for_its_life(plain: Recording) -> None:
    text = plain.resources["staging-agent-1-install"].inputs["stdin"]
    addresses = node(plain, "staging-agent-1")["addresses"]
    assert f"node-ip: {addresses['private'][0]}" in text
    assert f"node-external-ip: {addresses['public'][0]}" in text
    assert ipaddress.ip_address(addresses["private"][0]) in ipaddress.ip_network("10.30.0.0/16")
    assert not of(plain, "ReservedIp")


def test_the_project_holds_all_that_a_project_can(kept: Recording) -> None:
    project = one(kept, "Project", "staging-project")
    assert "resources" not in project.inputs
    held = [urn for r in of(kept, "ProjectResources") for urn in r.inputs["resources"]]
    assert sorted(urn.split(":")[1] for urn in held) == ["droplet"] * 3 + ["volume"] * 2
    balancer = one(kept, "LoadBalancer", "staging-balancer")
    assert balancer.inputs["projectId"] == "staging-project-id"


def test_each_thing_is_put_into_the_project_by_itself_and_never_taken_out(kept: Recording) -> None:
    for membership in of(kept, "ProjectResources"):
        assert len(membership.inputs["resources"]) == 1
        assert membership.request.replaceOnChanges == ["resources"]
        thing = membership.name.removesuffix("-in-project")
        assert membership.request.deletedWith.endswith(f"::{thing}")


def test_a_reserved_ip_is_what_a_server_is_reached_by_and_its_own_what_it_comes_from(
    kept: Recording,
) -> None:
    (reserved,) = of(kept, "ReservedIp")
    assert reserved.name == "staging-server-1-reserved-ip"
    public = node(kept, "staging-server-1")["addresses"]["public"]
    connection = kept.resources["staging-server-1-install"].inputs["connection"]
    assert [connection["host"]] == public
    # Known only when the reserved IP is assigned.
    assert reserved.name in kept.resources["staging-server-1-prepare"].dependencies
    allows = one(kept, "LoadBalancer", "staging-balancer").inputs["firewall"]["allows"]
    assert f"ip:{public[0]}" in allows
    assert len(allows) == 1 + 2 + 1 + 1  # operator, server twice, both agents


def test_volumes_are_raw_and_found_by_their_names(kept: Recording) -> None:
    volumes = {v.name: v.inputs for v in of(kept, "Volume")}
    assert {name: v["size"] for name, v in volumes.items()} == {
        "staging-store-a-disk-1": 100,
        "staging-store-a-disk-2": 200,
    }
    for name, volume in volumes.items():
        assert volume["name"] == f"k3s-{name}"
        assert "initialFilesystemType" not in volume
        attachment = one(kept, "VolumeAttachment", f"{name}-attachment")
        assert attachment.inputs["volumeId"] == f"{name}-id"


def test_no_volume_is_torn_from_a_machine_that_goes(kept: Recording) -> None:
    for attachment in of(kept, "VolumeAttachment"):
        assert attachment.request.deletedWith.endswith("::staging-store-a")
        assert attachment.request.deleteBeforeReplace
    assert one(kept, "Droplet", "staging-store-a").inputs["gracefulShutdown"] is True


def test_what_holds_data_or_an_address_is_protected_and_nothing_else(kept: Recording) -> None:
    protected = {r.name for r in kept.registrations if r.request.protect}
    assert protected == {
        *("staging-balancer", "staging-server-1-reserved-ip"),
        *("staging-store-a-disk-1", "staging-store-a-disk-2"),
    }


def test_nothing_is_protected_unless_it_is_asked(plain: Recording) -> None:
    assert not [r.name for r in plain.registrations if r.request.protect]


def test_with_ipv6_droplets_have_it_and_what_goes_out_may_use_it(dual: Recording) -> None:
    assert all(droplet.inputs["ipv6"] is True for droplet in of(dual, "Droplet"))
    out = one(dual, "Firewall", "staging-firewall-ssh").inputs["outboundRules"]
    assert all(rule["destinationAddresses"] == ["0.0.0.0/0", "::/0"] for rule in out)


def test_in_dual_stack_a_nodes_ipv6_address_is_its_private_one_too(dual: Recording) -> None:
    addresses = node(dual, "staging-agent-1")["addresses"]
    assert addresses["private"][1] == addresses["public"][1]
    assert addresses["private"][1].startswith("2001:db8:d0::"), "zeros as k3s writes them"
    text = dual.resources["staging-agent-1-install"].inputs["stdin"]
    assert f"node-ip: {addresses['private'][0]},{addresses['private'][1]}" in text


def test_in_dual_stack_wireguards_tunnels_come_in_from_exactly_the_nodes(dual: Recording) -> None:
    public = [node["addresses"]["public"] for node in dual.outputs["nodes"]]
    for firewall in ("servers", "agents"):
        admitted = rules(dual, firewall)
        ipv4, ipv6 = admitted["udp 51820"], admitted["udp 51821"]
        assert sorted(ipv4["sourceAddresses"]) == sorted(f"{known[0]}/32" for known in public)
        assert sorted(ipv6["sourceAddresses"]) == sorted(f"{known[1]}/128" for known in public)
        assert "sourceAddresses" not in admitted["tcp 10250"]
        assert "udp 8472" not in admitted


def test_the_balancer_is_told_of_ipv4_addresses_alone(dual: Recording) -> None:
    balancer = one(dual, "LoadBalancer", "staging-balancer").inputs
    assert balancer["networkStack"] == "IPV4"
    assert not [entry for entry in balancer["firewall"]["allows"] if entry.count(":") > 1]


def test_a_droplet_that_was_made_without_ipv6_is_told_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = answers_digitalocean.outputs

    def without(token: str, name: str, inputs: Mapping[str, object]) -> dict[str, object]:
        known = told(token, name, inputs)
        return known | {"ipv6Address": ""} if name == "staging-agent-1" else known

    monkeypatch.setattr(answers_digitalocean, "outputs", without)
    with pytest.raises(ValueError, match="ipv6: staging-agent-1 was made without IPv6 — "):
        run_stack("staging", {"network": {"ipv6": True}})


def test_one_more_agent_is_its_own_resources_and_one_entry_at_the_balancer(
    plain: Recording,
) -> None:
    groups = {
        "server": {"role": "server", "count": 1, "size": "small"},
        "agent": {"role": "agent", "count": 3, "size": "medium"},
    }
    larger = run_stack("staging", {"groups": groups})
    before = {(r.type, r.name): r.inputs for r in plain.registrations}
    after = {(r.type, r.name): r.inputs for r in larger.registrations}
    assert {name for kind, name in before if before[kind, name] != after[kind, name]} == {
        *("staging-balancer", "staging-members", "staging-membership")
    }
    assert all(name.startswith("staging-agent-3") for _, name in after.keys() - before.keys())
    allows = [
        one(recording, "LoadBalancer", "staging-balancer").inputs["firewall"]["allows"]
        for recording in (plain, larger)
    ]
    assert allows[1][:-1] == allows[0]


def test_cloud_balancers_come_in_from_the_vpc_and_nowhere_else() -> None:
    recording = run_stack("staging", {"network": {"profiles": ["cloud-balancers", "ingress"]}})
    for firewall in ("servers", "agents"):
        admitted = rules(recording, firewall)
        assert admitted["tcp 30000-32767"]["sourceAddresses"] == ["10.30.0.0/16"]
        assert not {"tcp 80", "tcp 443"} & set(admitted)


def test_several_openings_of_one_port_are_one_rule() -> None:
    opening = {"protocol": "tcp", "ports": "443", "to": "agents"}
    entries = [
        {"name": "one", "from": ["198.51.100.0/24"]} | opening,
        {"name": "two", "from": ["192.0.2.0/24", "198.51.100.0/24"]} | opening,
    ]
    recording = run_stack("staging", {"network": {"open": entries}})
    assert rules(recording, "agents")["tcp 443"]["sourceAddresses"] == [
        *("198.51.100.0/24", "192.0.2.0/24")
    ]
    assert "tcp 443" not in rules(recording, "servers")
