"""The registration address: a regional load balancer on 6443, closed to all who are not named."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_digitalocean as digitalocean

from components.platforms import plan
from components.platforms.digitalocean import naming
from components.platforms.digitalocean.naming import NETWORK
from components.platforms.digitalocean.network import Network
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.machine import Machine
from components.platforms.platform import Shared
from components.problems import Problem, SettingsError

_PORT = 6443


def balancer(
    shared: Shared,
    settings: DigitalOceanSettings,
    network: Network,
    machines: Sequence[Machine],
    opts: pulumi.ResourceOptions,
) -> digitalocean.LoadBalancer:
    """Make it in front of the servers, for `machines`, all those that join, and the operator.

    It ends no TLS and speaks to the servers from its own addresses in the VPC, so a server reaches
    itself through it.
    """
    return digitalocean.LoadBalancer(
        f"{shared.cluster}-balancer",
        name=naming.in_account(shared.cluster),
        region=settings.region,
        type="REGIONAL",
        network="EXTERNAL",
        network_stack="IPV4",
        size_unit=1,
        vpc_uuid=network.vpc.id,
        project_id=network.project.id,
        droplet_tag=network.tags["servers"].name,
        forwarding_rules=[
            digitalocean.LoadBalancerForwardingRuleArgs(
                entry_protocol="tcp",
                entry_port=_PORT,
                target_protocol="tcp",
                target_port=_PORT,
            )
        ],
        healthcheck=digitalocean.LoadBalancerHealthcheckArgs(
            protocol="tcp",
            port=_PORT,
            check_interval_seconds=5,
            response_timeout_seconds=3,
            unhealthy_threshold=3,
            healthy_threshold=2,
        ),
        firewall=digitalocean.LoadBalancerFirewallArgs(allows=_allows(shared, machines)),
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(protect=shared.protect or None)
        ),
    )


def _allows(shared: Shared, machines: Sequence[Machine]) -> list[pulumi.Input[str]]:
    """Its own firewall refuses whatever no entry allows; firewalls of Droplets do not apply."""
    by_name = {machine.name: machine for machine in machines}
    rules = plan.plan(shared.rows, machines, NETWORK)
    sources = dict.fromkeys(rule.source for rule in rules if rule.target == "registration address")
    return [entry for source in sources for entry in _entries(source, by_name)]


def _entries(source: plan.Source, machines: Mapping[str, Machine]) -> list[pulumi.Input[str]]:
    match source:
        case plan.Outside():
            return [f"cidr:{source.cidr}"]
        case plan.Peer():
            return _ipv4(machines[source.name])
    raise ValueError(f"a balancer knows no source such as {source}")


def _ipv4(machine: Machine) -> list[pulumi.Input[str]]:
    """The IPv4 addresses that it may come from: the balancer answers on IPv4 alone."""
    sides = [side.ipv4 for side in (machine.public, machine.egress) if side.ipv4 is not None]
    if not sides:
        raise SettingsError(
            [
                Problem(
                    key=f"groups.{machine.group}",
                    given=machine.name,
                    why="it has an IPv6 address alone, and joins at DigitalOcean's load balancer, "
                    "which has an IPv4 address alone",
                    write="give the host an IPv4 address, or put the servers elsewhere",
                )
            ]
        )
    return [pulumi.Output.concat("ip:", address) for address in sides]
