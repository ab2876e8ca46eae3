"""A cluster on AWS whose nodes have public addresses, as the program registers it."""

import pytest

from tests.unit import answers_aws
from tests.unit.aws_program import (
    EGRESS,
    ELASTIC,
    INGRESS,
    INSTANCE,
    inbound,
    outbound,
    run,
    tagged,
)
from tests.unit.recorder import Recording

OPERATOR = "198.51.100.0/24"
SERVER_ADDRESS = answers_aws.public_ipv4("production-server-1-address")


@pytest.fixture(scope="module")
def cluster() -> Recording:
    return run()


def test_everything_goes_to_the_region_of_the_settings_and_bears_the_clusters_name(
    cluster: Recording,
) -> None:
    (provider,) = cluster.of_type("pulumi:providers:aws")
    assert provider.inputs["region"] == "eu-central-1"
    assert "production" in str(provider.inputs["defaultTags"])
    for resource in cluster.registrations:
        if resource.type.startswith("aws:"):
            assert "::production-aws::" in resource.request.provider, resource.name


def test_every_zone_has_a_subnet_with_a_way_to_the_internet(cluster: Recording) -> None:
    subnets = {r.inputs["availabilityZone"]: r for r in cluster.of_type("aws:ec2/subnet:Subnet")}
    assert {zone: r.inputs["cidrBlock"] for zone, r in subnets.items()} == {
        "eu-central-1a": "10.20.0.0/20",
        "eu-central-1b": "10.20.16.0/20",
    }
    (route,) = cluster.of_type("aws:ec2/route:Route")
    assert route.inputs["destinationCidrBlock"] == "0.0.0.0/0"
    assert route.inputs["gatewayId"] == "production-gateway-id"
    table = route.inputs["routeTableId"]
    associated = cluster.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")
    assert {(a.inputs["subnetId"], a.inputs["routeTableId"]) for a in associated} == {
        (subnet.id, table) for subnet in subnets.values()
    }


def test_a_zone_more_leaves_the_other_zones_subnets_as_they_are(cluster: Recording) -> None:
    more = run(aws={"zones": ["c", "a", "b"]})
    for subnet in cluster.of_type("aws:ec2/subnet:Subnet"):
        assert more.resources[subnet.name].inputs == subnet.inputs


def test_security_groups_are_closed_until_a_rule_of_its_own_opens_them(cluster: Recording) -> None:
    made = cluster.of_type("aws:ec2/securityGroup:SecurityGroup")
    assert {group.name for group in made} == {
        f"production-{name}" for name in ("servers", "agents", "balancer")
    }
    for group in made:
        assert not {"ingress", "egress"} & set(group.inputs)


def test_servers_let_in_what_their_rows_say_and_no_more(cluster: Recording) -> None:
    assert inbound(cluster, "servers") == {
        ("tcp", "22", OPERATOR),
        ("tcp", "6443", "balancer"),
        *(("tcp", "6443", group) for group in ("servers", "agents")),
        *(("tcp", "10250", group) for group in ("servers", "agents")),
        *(("udp", "8472", group) for group in ("servers", "agents")),
        *(("icmp", "all", group) for group in ("servers", "agents")),
    }
    assert ("tcp", "6443", "balancer") not in inbound(cluster, "agents")


def test_the_balancer_takes_the_operator_and_exactly_the_nodes(cluster: Recording) -> None:
    agent = answers_aws.public_ipv4("production-agent-1-lent")
    assert inbound(cluster, "balancer") == {
        ("tcp", "6443", OPERATOR),
        ("tcp", "6443", f"{SERVER_ADDRESS}/32"),
        ("tcp", "6443", f"{agent}/32"),
    }
    assert outbound(cluster, "balancer") == {("tcp", "6443", "servers")}


def test_nodes_reach_the_internet(cluster: Recording) -> None:
    assert (
        outbound(cluster, "servers") == outbound(cluster, "agents") == {("-1", "all", "0.0.0.0/0")}
    )


def test_descriptions_have_only_letters_that_aws_takes(cluster: Recording) -> None:
    allowed = set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*"
    )
    for rule in cluster.of_type(INGRESS):
        assert set(rule.inputs["description"]) <= allowed, rule.name
        assert 20 < len(rule.inputs["description"]) <= 255
    ssh = cluster.resources["production-servers-tcp-22-198.51.100.0/24"]
    assert ssh.inputs["description"].startswith("ssh from 198.51.100.0/24: every step on a node is")


def test_a_machine_boots_only_once_it_can_fetch_and_be_reached(cluster: Recording) -> None:
    for instance in cluster.of_type(INSTANCE):
        assert "production-public-ipv4" in instance.dependencies
        assert "production-public-a-association" in instance.dependencies
        assert f"production-servers-tcp-22-{OPERATOR}" in instance.dependencies
        assert any("-out-all-" in name for name in instance.dependencies)


def test_machines_keep_credentials_and_disks_to_themselves(cluster: Recording) -> None:
    for instance in cluster.of_type(INSTANCE):
        metadata = instance.inputs["metadataOptions"]
        assert metadata["httpTokens"] == "required"
        assert metadata["httpPutResponseHopLimit"] == 1
        assert metadata["httpProtocolIpv6"] == "disabled"
        root = instance.inputs["rootBlockDevice"]
        assert (root["encrypted"], root["volumeType"], root["volumeSize"]) == (True, "gp3", 40)
        assert "iamInstanceProfile" not in instance.inputs
        assert instance.inputs["sourceDestCheck"] is True


def test_a_machines_user_data_is_secret_and_carries_its_own_host_key(cluster: Recording) -> None:
    for instance in cluster.of_type(INSTANCE):
        assert "userData" in instance.secret_inputs
        text = instance.inputs["userData"]
        assert text.startswith("#cloud-config\n")
        assert f"PRIVATE {instance.name}-host-key" in text
        assert "ssh-ed25519 production-operator-key" in text


def test_a_new_image_or_operator_key_makes_no_machine_anew(cluster: Recording) -> None:
    for instance in cluster.of_type(INSTANCE):
        assert set(instance.ignores()) == {"ami", "userData", "keyName"}
        assert instance.request.deleteBeforeReplace


def test_servers_have_elastic_ips_and_are_reached_once_they_are_attached(
    cluster: Recording,
) -> None:
    assert [address.name for address in cluster.of_type(ELASTIC)] == ["production-server-1-address"]
    nodes = {node["name"]: node for node in cluster.outputs["nodes"]}
    assert nodes["production-server-1"]["addresses"]["public"] == [SERVER_ADDRESS]
    assert nodes["production-agent-1"]["addresses"]["public"] == []
    prepare = cluster.resources["production-server-1-prepare"]
    assert prepare.inputs["connection"]["host"] == SERVER_ADDRESS
    assert "production-server-1-association" in prepare.dependencies


def test_a_node_without_an_elastic_ip_is_reached_by_the_address_it_is_lent(
    cluster: Recording,
) -> None:
    connection = cluster.resources["production-agent-1-prepare"].inputs["connection"]
    assert connection["host"] == answers_aws.public_ipv4("production-agent-1-lent")
    assert connection["user"] == "k3s"
    assert connection["hostKey"].startswith("ssh-ed25519 production-agent-1-host-key")


def test_nodes_join_through_a_balancer_that_hides_who_they_are(cluster: Recording) -> None:
    (balancer,) = cluster.of_type("aws:lb/loadBalancer:LoadBalancer")
    assert balancer.inputs["loadBalancerType"] == "network"
    assert balancer.inputs["securityGroups"] == ["production-balancer-id"]
    assert sorted(balancer.inputs["subnets"]) == [
        "production-public-a-id",
        "production-public-b-id",
    ]
    assert balancer.inputs["enableCrossZoneLoadBalancing"] is True
    (targets,) = cluster.of_type("aws:lb/targetGroup:TargetGroup")
    assert targets.inputs["preserveClientIp"] == "false"
    assert targets.inputs["protocol"] == targets.inputs["healthCheck"]["protocol"] == "TCP"
    (listener,) = cluster.of_type("aws:lb/listener:Listener")
    assert listener.inputs["port"] == 6443
    assert listener.inputs["defaultActions"][0]["targetGroupArn"] == targets.outputs["arn"]
    name = balancer.outputs["dnsName"]
    assert (
        f"server: https://{name}:6443"
        in cluster.resources["production-agent-1-install"].inputs["stdin"]
    )
    assert cluster.outputs["apiEndpoint"] == f"https://{name}:6443"


def test_the_balancer_hands_on_to_servers_alone(cluster: Recording) -> None:
    (attached,) = cluster.of_type("aws:lb/targetGroupAttachment:TargetGroupAttachment")
    assert attached.inputs["targetId"] == "production-server-1-id"


def test_k3s_starts_once_every_rule_is_there(cluster: Recording) -> None:
    bootstrap = cluster.resources["production-bootstrap"]
    rules = {rule.name for rule in cluster.of_type(INGRESS) if "-tcp-22-" not in rule.name}
    assert bootstrap.dependencies >= rules | {"production-listener", "production-server-1-target"}


def test_every_resource_says_whose_it_is_and_none_is_claimed_for_controllers(
    cluster: Recording,
) -> None:
    names = tagged(cluster, "Name")
    for instance in (*cluster.of_type(INSTANCE), *cluster.of_type(EGRESS)):
        assert instance.name in names
    agent = cluster.resources["production-agent-1"].inputs["tags"]
    assert agent == {"Name": "production-agent-1", "role": "agent"}


def test_nothing_is_protected_unless_settings_say_so(cluster: Recording) -> None:
    assert not [r.name for r in cluster.registrations if r.request.protect]


def test_what_holds_data_or_addresses_is_protected_where_settings_say_so() -> None:
    groups = {"server": {"role": "server", "count": 1, "disks": [10]}}
    kept = run(groups, protect=True)
    assert {r.name for r in kept.registrations if r.request.protect} == {
        *("production-server-1-disk-1", "production-server-1-address", "production-api"),
    }
