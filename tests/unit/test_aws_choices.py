"""What single settings of a cluster on AWS change in its registrations."""

import json
from typing import Any

import pytest

from tests.unit import answers_aws
from tests.unit.aws_program import (
    ELASTIC,
    GROUPS,
    IMAGES,
    INGRESS,
    INSTANCE,
    inbound,
    outbound,
    run,
    tagged,
)
from tests.unit.program import STEPS
from tests.unit.recorder import Recording

DUAL_STACK = {
    "version": "v1.35.6+k3s1",
    "clusterCidrIpv6": "fd42::/56",
    "serviceCidrIpv6": "fd43::/112",
}


def server(**more: Any) -> dict[str, Any]:
    return {"server": {"role": "server", "count": 1} | more}


@pytest.fixture(scope="module")
def dual_stack() -> Recording:
    return run(network={"ipv6": True}, k3s=DUAL_STACK)


def test_with_ipv6_subnets_and_machines_have_it_and_routes_lead_out(dual_stack: Recording) -> None:
    assert dual_stack.resources["production-vpc"].inputs["assignGeneratedIpv6CidrBlock"] is True
    subnet = dual_stack.resources["production-public-b"]
    assert subnet.inputs["ipv6CidrBlock"] == "2001:db8:1234:1a01::/64"
    route = dual_stack.resources["production-public-ipv6"]
    assert route.inputs["destinationIpv6CidrBlock"] == "::/0"
    assert all(i.inputs["ipv6AddressCount"] == 1 for i in dual_stack.of_type(INSTANCE))
    balancer = dual_stack.resources["production-api"]
    assert balancer.inputs["ipAddressType"] == "dualstack"


def test_with_ipv6_rules_name_both_families(dual_stack: Recording) -> None:
    assert {
        ("tcp", "6443", f"{answers_aws.public_ipv4('production-server-1-address')}/32"),
        ("tcp", "6443", f"{answers_aws.ipv6('production-server-1')}/128"),
        ("tcp", "6443", f"{answers_aws.ipv6('production-agent-1')}/128"),
    } <= inbound(dual_stack, "balancer")
    assert {("icmp", "all", "agents"), ("icmpv6", "all", "agents")} <= inbound(
        dual_stack, "servers"
    )
    assert ("-1", "all", "::/0") in outbound(dual_stack, "agents")


def test_no_urn_is_broken_by_an_ipv6_address() -> None:
    cluster = run(
        network={"ipv6": True, "profiles": ["ingress"]},
        access={"ssh": ["2001:db8:1::/48"], "api": ["198.51.100.0/24"]},
    )
    assert ("tcp", "443", "::/0") in inbound(cluster, "agents")
    assert ("tcp", "22", "2001:db8:1::/48") in inbound(cluster, "servers")
    assert not [r.name for r in cluster.registrations if "::" in r.name]


def test_dual_stack_nodes_tell_k3s_both_of_their_addresses(dual_stack: Recording) -> None:
    text = dual_stack.resources["production-server-1-install"].inputs["stdin"]
    ipv4, ipv6 = (
        answers_aws.private_ipv4("production-server-1"),
        answers_aws.ipv6("production-server-1"),
    )
    assert f"node-ip: {ipv4},{ipv6}" in text


def test_raw_disks_are_encrypted_volumes_of_their_own_in_the_machines_zone() -> None:
    cluster = run(server(nodes=["2"], count=None, disks=[100, 200]))
    first, second = cluster.of_type("aws:ebs/volume:Volume")
    assert {v.name: v.inputs["size"] for v in (first, second)} == {
        "production-server-2-disk-1": 100,
        "production-server-2-disk-2": 200,
    }
    for volume in (first, second):
        assert volume.inputs["availabilityZone"] == "eu-central-1b"
        assert (volume.inputs["type"], volume.inputs["encrypted"]) == ("gp3", True)


def test_a_machine_ends_before_its_volumes_and_lets_go_of_them_by_itself() -> None:
    cluster = run(server(disks=[100]))
    assert "production-server-1-disk-1" in cluster.resources["production-server-1"].dependencies
    attachment = cluster.resources["production-server-1-attachment-1"]
    assert attachment.request.deletedWith.endswith("::production-server-1")
    assert attachment.inputs["deviceName"] == "/dev/sdf"


def test_arm64_groups_boot_the_arm64_image_on_arm64_machines() -> None:
    cluster = run(
        {
            **server(),
            "agent": {"role": "agent", "count": 1, "arch": "arm64", "size": "large"},
            "db": {"role": "agent", "count": 1, "arch": "arm64", "size": "r7g.large"},
        }
    )
    machines = {i.name: i.inputs for i in cluster.of_type(INSTANCE)}
    assert {name: (m["ami"], m["instanceType"]) for name, m in machines.items()} == {
        "production-server-1": (IMAGES["amd64"], "t3.medium"),
        "production-agent-1": (IMAGES["arm64"], "c7g.2xlarge"),
        "production-db-1": (IMAGES["arm64"], "r7g.large"),
    }


@pytest.mark.parametrize(
    ("profiles", "checked"), [(["calico"], True), (["calico", "calico-bgp"], False)]
)
def test_a_plugin_that_tells_routes_by_bgp_may_send_packets_under_its_pods_addresses(
    profiles: list[str], checked: bool
) -> None:
    cluster = run(network={"profiles": profiles})
    assert {i.inputs["sourceDestCheck"] for i in cluster.of_type(INSTANCE)} == {checked}


def test_a_groups_zones_are_where_its_machines_are() -> None:
    agents = {"role": "agent", "count": 3, "zones": ["b"]}
    cluster = run({**server(), "agent": agents})
    for n in (1, 2, 3):
        machine = cluster.resources[f"production-agent-{n}"]
        assert machine.inputs["subnetId"] == "production-public-b-id"
    text = cluster.resources["production-agent-1-install"].inputs["stdin"]
    assert "topology.kubernetes.io/zone=eu-central-1b" in text
    assert "topology.kubernetes.io/region=eu-central-1" in text


def test_an_agent_more_adds_its_own_resources_and_one_taken_out_takes_only_those() -> None:
    def with_agents(*nodes: str) -> Recording:
        return run({**server(), "agent": {"role": "agent", "nodes": nodes}})

    three, two = with_agents("1", "2", "3"), with_agents("1", "3")
    own = set(three.resources) - set(two.resources)
    assert own == {
        *("production-agent-2", "production-balancer-tcp-6443-production-agent-2-egress"),
        *(
            f"production-agent-2-{x}"
            for x in ("host-key", "wanted", "request", "generation", *STEPS)
        ),
    }
    # Both know the names of all nodes.
    for name in set(two.resources) - {"production-members", "production-membership"}:
        assert three.resources[name].inputs == two.resources[name].inputs, name


def test_nodeports_are_open_to_the_vpc_alone() -> None:
    cluster = run(network={"profiles": ["cloud-balancers"], "ipv6": True})
    for group in ("servers", "agents"):
        node_ports = {rule for rule in inbound(cluster, group) if rule[1] == "30000-32767"}
        assert node_ports == {
            ("tcp", "30000-32767", "10.20.0.0/16"),
            ("tcp", "30000-32767", answers_aws.VPC_IPV6),
        }


SPANNING = {
    **server(),
    "agent": {"role": "agent", "count": 1},
    "far": {"role": "agent", "count": 1, "platform": "digitalocean"},
}


def test_over_networks_every_node_has_an_elastic_ip_and_lets_in_exactly_its_peers() -> None:
    cluster = run(SPANNING, digitalocean={"region": "fra1"})
    assert {address.name for address in cluster.of_type(ELASTIC)} == {
        *("production-server-1-address", "production-agent-1-address")
    }
    wireguard = {s for _, ports, s in inbound(cluster, "servers") if ports == "51820"}
    (far,) = (n for n in cluster.outputs["nodes"] if n["name"] == "production-far-1")
    far_address = far["ssh"].rpartition("@")[2]
    assert wireguard == {
        f"{far_address}/32",
        *(
            f"{answers_aws.public_ipv4(f'production-{node}-1-address')}/32"
            for node in ("server", "agent")
        ),
    }
    assert ("tcp", "6443", f"{far_address}/32") in inbound(cluster, "balancer")


def test_agents_alone_on_aws_have_neither_a_balancer_nor_its_group() -> None:
    groups = {
        "server": {"role": "server", "count": 1, "platform": "digitalocean"},
        "agent": {"role": "agent", "count": 1},
    }
    cluster = run(groups, digitalocean={"region": "fra1"})
    assert not cluster.of_type("aws:lb/loadBalancer:LoadBalancer")
    made = {g.name for g in cluster.of_type("aws:ec2/securityGroup:SecurityGroup")}
    assert made == {"production-agents"}
    assert {r.inputs["securityGroupId"] for r in cluster.of_type(INGRESS)} == {
        "production-agents-id"
    }


@pytest.fixture(scope="module")
def permitted() -> Recording:
    return run(aws={"permissions": ["cloud-controller", "ebs-csi"]})


def policy(recording: Recording, name: str) -> list[dict[str, Any]]:
    statements = json.loads(recording.resources[name].inputs["policy"])["Statement"]
    assert isinstance(statements, list)
    return statements


def test_controllers_permissions_are_the_servers_alone(permitted: Recording) -> None:
    profile = permitted.resources["production-server-1"].inputs["iamInstanceProfile"]
    assert profile == permitted.resources["production-server-profile"].outputs["name"]
    given = {r.name for r in permitted.of_type("aws:iam/rolePolicy:RolePolicy")}
    assert given == {
        *("production-server-cloud-controller", "production-server-ebs-csi"),
        "production-agent-cloud-controller",
    }
    assert permitted.resources["production-server-profile"].dependencies >= {
        *("production-server-cloud-controller", "production-server-ebs-csi")
    }


def test_no_permission_is_a_whole_services_and_agents_only_read(permitted: Recording) -> None:
    for name in ("server-cloud-controller", "server-ebs-csi", "agent-cloud-controller"):
        actions = [a for s in policy(permitted, f"production-{name}") for a in s["Action"]]
        assert actions
        assert not [action for action in actions if "*" in action]
        assert not [action for action in actions if action.startswith("iam:Pass")]
    for statement in policy(permitted, "production-agent-cloud-controller"):
        for action in statement["Action"]:
            assert action.split(":")[1].startswith(("Describe", "Get", "List", "Batch"))


def test_the_csi_driver_deletes_only_what_it_made(permitted: Recording) -> None:
    for statement in policy(permitted, "production-server-ebs-csi"):
        if any("Delete" in action for action in statement["Action"]):
            assert statement["Condition"] == {
                "StringLike": {"ec2:ResourceTag/ebs.csi.aws.com/cluster": "true"}
            }


def test_only_ec2_may_take_on_the_roles(permitted: Recording) -> None:
    for role in permitted.of_type("aws:iam/role:Role"):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_controllers_find_what_is_theirs_by_the_clusters_tag(permitted: Recording) -> None:
    claimed = tagged(permitted, "kubernetes.io/cluster/production")
    assert {"production-server-1", "production-public-a", "production-servers"} <= set(claimed)
    assert set(tagged(permitted, "kubernetes.io/role/elb")) == {
        *("production-public-a", "production-public-b")
    }
    assert not tagged(run(GROUPS), "kubernetes.io/cluster/production")


@pytest.mark.parametrize("permission", ["cloud-controller", "ebs-csi"])
def test_one_permission_brings_nothing_of_the_other(permission: str) -> None:
    cluster = run(aws={"permissions": [permission]})
    given = {r.name for r in cluster.of_type("aws:iam/rolePolicy:RolePolicy")}
    assert all(name.endswith(permission) for name in given)
    agent = cluster.resources["production-agent-1"].inputs
    assert ("iamInstanceProfile" in agent) is (permission == "cloud-controller")
