"""The cluster's rows as cloud firewalls: one for the servers' tag, one for the agents'."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from components.platforms import plan
from components.platforms.digitalocean import naming
from components.platforms.digitalocean.naming import NETWORK
from components.platforms.digitalocean.network import Network
from components.platforms.digitalocean.rules import SSH, Family, Traffic, merged
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.machine import Machine
from components.platforms.platform import Shared

_ROLES = {"servers": "server", "agents": "agent"}


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the sources of a plan are called here."""

    tags: Mapping[str, digitalocean.Tag]
    machines: Mapping[str, Machine]
    balancer: pulumi.Output[str] | None
    vpc: str


def admit(
    shared: Shared,
    settings: DigitalOceanSettings,
    network: Network,
    balancer: digitalocean.LoadBalancer | None,
    machines: Sequence[Machine],
    opts: pulumi.ResourceOptions,
) -> list[digitalocean.Firewall]:
    """Make the firewalls. What goes out is let out by the first one, with SSH."""
    names = Names(
        tags=network.tags,
        machines={machine.name: machine for machine in machines},
        balancer=balancer.id if balancer else None,
        vpc=str(settings.cidr),
    )
    rules = [rule for rule in plan.plan(shared.rows, machines, NETWORK) if rule.row.name != SSH]
    return [
        digitalocean.Firewall(
            f"{shared.cluster}-firewall-{group}",
            name=naming.in_account(shared.cluster, group),
            tags=[tag.name],
            inbound_rules=[
                _inbound(traffic, names)
                for traffic in merged(rule for rule in rules if rule.target == group)
            ],
            opts=opts,
        )
        for group, tag in network.tags.items()
    ]


def _inbound(traffic: Traffic, names: Names) -> digitalocean.FirewallInboundRuleArgs:
    groups = [source for source in traffic.sources if isinstance(source, plan.Group)]
    from_balancer = any(isinstance(source, plan.Balancer) for source in traffic.sources)
    return digitalocean.FirewallInboundRuleArgs(
        protocol=traffic.protocol,
        port_range=traffic.ports or None,
        source_tags=[names.tags[group.name].name for group in groups] or None,
        source_load_balancer_uids=[names.balancer] if from_balancer and names.balancer else None,
        source_addresses=_addresses(traffic, groups, names) or None,
    )


def _addresses(
    traffic: Traffic, groups: Sequence[plan.Group], names: Names
) -> list[pulumi.Input[str]]:
    found: list[pulumi.Input[str]] = []
    for source in traffic.sources:
        match source:
            case plan.Outside():
                found.append(str(source.cidr))
            case plan.Peer():
                found += [a.apply(_host) for a in names.machines[source.name].sources()]
            case plan.CloudBalancers():
                found.append(names.vpc)
    if traffic.public:
        found += [a.apply(_host) for a in _public(groups, traffic.public, names)]
    return found


def _public(groups: Sequence[plan.Group], family: Family, names: Names) -> list[pulumi.Output[str]]:
    """Public addresses that packets of the network's own nodes come from."""
    roles = [_ROLES[group.name] for group in groups]
    own = [m for m in names.machines.values() if m.network == NETWORK and m.role in roles]
    told = [getattr(m.egress, family) or getattr(m.public, family) for m in own]
    return [address for address in told if address is not None]


def _host(address: str) -> str:
    """One address as a CIDR."""
    return str(ipaddress.ip_network(address))
