"""DigitalOcean beside another platform: who may come in over public addresses."""

from collections.abc import Sequence

import pulumi
import pytest

from components import firewall, topology
from components.access import AccessSettings
from components.groups import NodeGroup
from components.network import NetworkSettings
from components.platforms.digitalocean.platform import DigitalOcean
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.machine import Addresses, Machine, Ssh
from components.platforms.platform import OperatorKey, Shared
from components.problems import SettingsError
from components.topology import Node
from tests.unit.recorder import Recording, Registration, record

OPERATOR = OperatorKey(
    private=pulumi.Output.from_input("PRIVATE"), public=pulumi.Output.from_input("ssh-ed25519 A")
)
AGENTS = NodeGroup(role="agent", nodes=("1", "2"), platform="digitalocean")
SERVERS = NodeGroup(role="server", count=1, platform="digitalocean")
HOME = NodeGroup(role="agent", nodes=("shed",), platform="existing")
SHED = "192.0.2.7"
AWS_PUBLIC, AWS_EGRESS = "192.0.2.20", "192.0.2.21"


def shared(nodes: Sequence[Node], **network: object) -> Shared:
    access = AccessSettings.model_validate({"ssh": ["203.0.113.0/24"], "api": ["203.0.113.9/32"]})
    facts = firewall.Facts(
        servers=1,
        ssh=access.ssh,
        api=access.api,
        backend="wireguard-native",
        spans=topology.spans(nodes),
    )
    return Shared(
        cluster="mix",
        access=access,
        network=NetworkSettings.model_validate(network),
        operator=OPERATOR,
        nodes=nodes,
        spans=topology.spans(nodes),
        rows=firewall.rows(facts),
        first_boot={},
    )


def elsewhere(node: Node, public: str, egress: str | None = None) -> Machine:
    """A machine that another platform has made."""
    address = pulumi.Output.from_input(public)
    side = Addresses(ipv6=address) if ":" in public else Addresses(ipv4=address)
    out = Addresses(ipv4=pulumi.Output.from_input(egress)) if egress else Addresses()
    ssh = Ssh(host=address, user="root", port=22, private_key=OPERATOR.private, host_key=address)
    return Machine(
        name=node.name,
        group=node.group,
        role=node.role,
        arch="amd64",
        private=side,
        public=side,
        egress=out,
        ssh=ssh,
        id=address,
        resource=pulumi.ComponentResource("test:Elsewhere", node.name),
        network=node.network,
    )


def of(recording: Recording, kind: str, name: str) -> Registration:
    (found,) = [r for r in recording.of_type(kind) if r.name == name]
    return found


def inbound(recording: Recording, group: str) -> dict[str, dict]:
    made = of(recording, "digitalocean:index/firewall:Firewall", f"mix-firewall-{group}")
    return {
        f"{rule['protocol']} {rule.get('portRange', '')}".strip(): rule
        for rule in made.inputs["inboundRules"]
    }


@pytest.fixture(scope="module")
def agents_only() -> Recording:
    """Servers on AWS, agents here, with reserved IPs."""
    groups = {"server": NodeGroup(role="server", count=1, platform="aws"), "agent": AGENTS}
    nodes = topology.nodes("mix", "aws", groups)

    def program() -> None:
        common = shared(nodes, fixedAddresses="all")
        platform = DigitalOcean("mix", settings=DigitalOceanSettings(region="fra1"), shared=common)
        platform.network()
        here = platform.machines("agent", AGENTS)
        platform.admit([elsewhere(nodes[0], AWS_PUBLIC, AWS_EGRESS), *here])
        for machine in here:
            pulumi.export(machine.name, pulumi.Output.all(*machine.sources()))

    return record(program, {}, stack="mix")


@pytest.fixture(scope="module")
def with_a_host() -> Recording:
    """Everything here but one host."""
    groups = {"server": SERVERS, "agent": AGENTS, "home": HOME}
    nodes = topology.nodes("mix", "digitalocean", groups, ["shed"])

    def program() -> None:
        platform = DigitalOcean(
            "mix", settings=DigitalOceanSettings(region="fra1"), shared=shared(nodes)
        )
        platform.network()
        here = [*platform.machines("server", SERVERS), *platform.machines("agent", AGENTS)]
        machines = [*here, elsewhere(nodes[-1], SHED)]
        platform.endpoint(here[:1], machines)
        platform.admit(machines)
        for machine in here:
            pulumi.export(machine.name, pulumi.Output.all(*machine.sources()))

    return record(program, {}, stack="mix")


def sources(recording: Recording, *names: str) -> list[str]:
    """Addresses that the nodes' packets may come from, as sources of a rule."""
    return sorted(f"{address}/32" for name in names for address in recording.outputs[name])


def test_a_platform_without_servers_has_neither_their_tag_nor_their_firewall_nor_a_balancer(
    agents_only: Recording,
) -> None:
    assert not agents_only.of_type("digitalocean:index/loadBalancer:LoadBalancer")
    tags = agents_only.of_type("digitalocean:index/tag:Tag")
    assert {tag.inputs["name"] for tag in tags} == {"k3s-mix", "k3s-mix-agents"}
    firewalls = agents_only.of_type("digitalocean:index/firewall:Firewall")
    assert {f.name for f in firewalls} == {"mix-firewall-ssh", "mix-firewall-agents"}


def test_wireguard_comes_in_from_exactly_the_peers_by_each_of_their_addresses(
    agents_only: Recording,
) -> None:
    tunnel = inbound(agents_only, "agents")["udp 51820"]
    assert sorted(tunnel["sourceAddresses"]) == sorted(
        [
            *sources(agents_only, "mix-agent-1", "mix-agent-2"),
            *(f"{AWS_PUBLIC}/32", f"{AWS_EGRESS}/32"),
        ]
    )
    assert "sourceTags" not in tunnel
    assert all(len(agents_only.outputs[f"mix-agent-{n}"]) == 2 for n in (1, 2))


def test_over_private_addresses_only_the_own_tag_comes_in(agents_only: Recording) -> None:
    admitted = inbound(agents_only, "agents")
    assert set(admitted) == {"tcp 10250", "udp 51820", "icmp"}
    assert admitted["tcp 10250"]["sourceTags"] == ["k3s-mix-agents"]
    assert "sourceAddresses" not in admitted["tcp 10250"]


def test_a_host_elsewhere_joins_through_the_balancer_and_follows_the_servers(
    with_a_host: Recording,
) -> None:
    balancer = of(with_a_host, "digitalocean:index/loadBalancer:LoadBalancer", "mix-balancer")
    own = [
        f"ip:{with_a_host.outputs[f'mix-{node}'][0]}" for node in ("server-1", "agent-1", "agent-2")
    ]
    assert balancer.inputs["firewall"]["allows"] == ["cidr:203.0.113.9/32", *own, f"ip:{SHED}"]
    api = inbound(with_a_host, "servers")["tcp 6443"]
    assert f"{SHED}/32" in api["sourceAddresses"]
    assert api["sourceTags"] == ["k3s-mix-servers", "k3s-mix-agents"]
    assert api["sourceLoadBalancerUids"] == ["mix-balancer-id"]
    assert "203.0.113.9/32" not in api["sourceAddresses"]


def test_a_host_elsewhere_reaches_nothing_else(with_a_host: Recording) -> None:
    for group, ports in (("servers", {"tcp 6443", "udp 51820"}), ("agents", {"udp 51820"})):
        admitted = inbound(with_a_host, group)
        open_to_it = {
            p for p, r in admitted.items() if f"{SHED}/32" in r.get("sourceAddresses", [])
        }
        assert open_to_it == ports


def test_a_host_that_the_balancer_cannot_hear_is_refused_by_name() -> None:
    nodes = topology.nodes("mix", "digitalocean", {"server": SERVERS, "home": HOME}, ["shed"])

    def program() -> None:
        platform = DigitalOcean(
            "mix", settings=DigitalOceanSettings(region="fra1"), shared=shared(nodes)
        )
        platform.network()
        here = platform.machines("server", SERVERS)
        platform.endpoint(here, [*here, elsewhere(nodes[-1], "2001:db8::7")])

    with pytest.raises(SettingsError, match="mix-home-shed — it has an IPv6 address alone"):
        record(program, {}, stack="mix")
