"""A cluster on AWS whose nodes have no public address: NAT, a bastion, and SSH through it."""

import pytest

from tests.unit import answers_aws
from tests.unit.aws_program import COMMAND, ELASTIC, IMAGES, INSTANCE, inbound, outbound, run
from tests.unit.program import STEPS
from tests.unit.recorder import Recording

OPERATOR = "198.51.100.0/24"
PRIVATE = {"nodes": "private"}
BASTION = answers_aws.public_ipv4("production-bastion-address")


@pytest.fixture(scope="module")
def cluster() -> Recording:
    return run(network=PRIVATE)


def test_nodes_are_in_subnets_that_lend_no_public_address(cluster: Recording) -> None:
    subnets = {s.id: s for s in cluster.of_type("aws:ec2/subnet:Subnet")}
    for instance in cluster.of_type(INSTANCE):
        subnet = subnets[instance.inputs["subnetId"]]
        bastion = instance.name == "production-bastion"
        assert subnet.inputs["mapPublicIpOnLaunch"] is bastion
    assert subnets["production-private-b-id"].inputs["cidrBlock"] == "10.20.144.0/20"


def test_private_subnets_leave_by_one_nat_gateway_in_the_first_zone(cluster: Recording) -> None:
    (gateway,) = cluster.of_type("aws:ec2/natGateway:NatGateway")
    assert gateway.inputs["subnetId"] == "production-public-a-id"
    routes = {r.name: r.inputs for r in cluster.of_type("aws:ec2/route:Route")}
    for zone in "ab":
        assert routes[f"production-private-{zone}-ipv4"]["natGatewayId"] == gateway.id


def test_zonal_nat_has_a_gateway_and_an_address_in_each_zone() -> None:
    cluster = run(aws={"nat": "zonal"}, network=PRIVATE)
    gateways = cluster.of_type("aws:ec2/natGateway:NatGateway")
    assert {g.name for g in gateways} == {"production-nat-a", "production-nat-b"}
    for zone in "ab":
        route = cluster.resources[f"production-private-{zone}-ipv4"]
        assert route.inputs["natGatewayId"] == f"production-nat-{zone}-id"
    sources = {source for _, _, source in inbound(cluster, "balancer")}
    assert sources == {
        OPERATOR,
        *(f"{answers_aws.public_ipv4(f'production-nat-{zone}-address')}/32" for zone in "ab"),
    }


def test_elastic_ips_are_for_the_gateway_and_the_bastion_alone(cluster: Recording) -> None:
    assert {address.name for address in cluster.of_type(ELASTIC)} == {
        *("production-nat-a-address", "production-bastion-address")
    }
    assert all(node["addresses"]["public"] == [] for node in cluster.outputs["nodes"])


def test_ssh_goes_to_the_bastion_and_from_there_to_nodes(cluster: Recording) -> None:
    assert inbound(cluster, "bastion") == {("tcp", "22", OPERATOR)}
    for group in ("servers", "agents"):
        ssh = {rule for rule in inbound(cluster, group) if rule[1] == "22"}
        assert ssh == {("tcp", "22", "bastion")}
        assert ("tcp", "22", group) in outbound(cluster, "bastion")
    assert {rule for rule in outbound(cluster, "bastion") if rule[1] != "22"} == {
        *(("tcp", port, "0.0.0.0/0") for port in ("80", "443"))
    }


def test_the_balancer_knows_nodes_by_their_gateways_address_however_many(
    cluster: Recording,
) -> None:
    nat = answers_aws.public_ipv4("production-nat-a-address")
    assert inbound(cluster, "balancer") == {("tcp", "6443", OPERATOR), ("tcp", "6443", f"{nat}/32")}


def test_every_step_jumps_over_the_bastion_and_verifies_both_host_keys(
    cluster: Recording,
) -> None:
    commands = cluster.of_type(COMMAND)
    assert len(commands) == 2 * len(STEPS) + 4  # with bootstrap, kubeconfig, room and members
    for command in commands:
        connection = command.inputs["connection"]
        assert connection["host"].startswith("10.20.")
        assert connection["hostKey"].startswith("ssh-ed25519 production-")
        assert connection["proxy"]["host"] == BASTION
        assert connection["proxy"]["hostKey"].startswith("ssh-ed25519 production-bastion-host-key")
        assert connection["proxy"]["user"] == connection["user"] == "k3s"


def test_a_person_is_told_the_way_over_the_bastion(cluster: Recording) -> None:
    node = next(n for n in cluster.outputs["nodes"] if n["name"] == "production-server-1")
    address = answers_aws.private_ipv4("production-server-1")
    assert node["ssh"] == f"ssh -J k3s@{BASTION} k3s@{address}"


def test_the_bastion_is_reached_once_its_address_is_attached(cluster: Recording) -> None:
    prepare = cluster.resources["production-server-1-prepare"]
    assert "production-bastion-association" in prepare.dependencies


def test_the_bastion_is_as_closed_as_any_machine_and_has_nothing_of_k3s(
    cluster: Recording,
) -> None:
    bastion = cluster.resources["production-bastion"]
    assert bastion.inputs["metadataOptions"]["httpTokens"] == "required"
    assert bastion.inputs["rootBlockDevice"]["encrypted"] is True
    assert bastion.inputs["instanceType"] == "t3.micro"
    assert "userData" in bastion.secret_inputs
    assert "PRIVATE production-bastion-host-key" in bastion.inputs["userData"]
    assert "k3s-first-boot" not in bastion.inputs["userData"]


def test_nodes_boot_once_their_way_out_is_there(cluster: Recording) -> None:
    agent = cluster.resources["production-agent-1"]
    assert agent.dependencies >= {"production-private-a-ipv4", "production-private-a-association"}


def test_the_balancer_is_where_the_internet_reaches_it(cluster: Recording) -> None:
    balancer = cluster.resources["production-api"]
    assert set(balancer.inputs["subnets"]) == {f"production-public-{zone}-id" for zone in "ab"}


def test_with_ipv6_nodes_reach_out_and_nobody_reaches_in() -> None:
    cluster = run(network=PRIVATE | {"ipv6": True})
    route = cluster.resources["production-private-a-ipv6"].inputs
    assert route["egressOnlyGatewayId"] == "production-egress-id"
    assert "gatewayId" not in route
    nat = answers_aws.public_ipv4("production-nat-a-address")
    nodes = ("production-server-1", "production-agent-1")
    assert {source for _, _, source in inbound(cluster, "balancer")} == {
        OPERATOR,
        f"{nat}/32",
        *(f"{answers_aws.ipv6(node)}/128" for node in nodes),
    }


def test_with_arm64_images_alone_the_bastion_is_arm64_too() -> None:
    groups = {"server": {"role": "server", "count": 1, "arch": "arm64"}}
    cluster = run(groups, aws={"images": {"arm64": IMAGES["arm64"]}}, network=PRIVATE)
    bastion = cluster.resources["production-bastion"].inputs
    assert (bastion["ami"], bastion["instanceType"]) == (IMAGES["arm64"], "t4g.micro")


def test_the_gateways_and_the_bastions_addresses_are_protected_with_the_rest() -> None:
    cluster = run(network=PRIVATE, protect=True)
    assert {r.name for r in cluster.registrations if r.request.protect} == {
        *("production-nat-a-address", "production-bastion-address", "production-api")
    }
