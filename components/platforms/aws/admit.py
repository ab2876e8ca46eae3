"""What comes in: SSH before there are machines, everything else when all addresses are known."""

from collections.abc import Sequence

import pulumi

from components.platforms import plan
from components.platforms.aws import ingress, peers, security
from components.platforms.aws.ingress import SSH_ROW
from components.platforms.aws.network import Network
from components.platforms.aws.security import Groups
from components.platforms.aws.site import Site
from components.platforms.machine import Machine


def admit_ssh(site: Site, network: Network, groups: Groups) -> list[pulumi.Resource]:
    """SSH from the operator: to nodes, or to the bastion and from there to nodes."""
    rows = [row for row in site.shared.rows if row.name == SSH_ROW]
    rules = plan.plan(rows, site.shared.nodes, "aws")
    wanted = ingress.ingresses(
        rules, hosts={}, ipv6=site.ipv6, bastion=site.private, balancer=False
    )
    return security.let_in(site, groups, network.vpc, wanted, {})


def admit(
    site: Site, network: Network, groups: Groups, machines: Sequence[Machine]
) -> list[pulumi.Resource]:
    """All other rows, from all machines of the cluster."""
    rows = [row for row in site.shared.rows if row.name != SSH_ROW]
    rules = plan.plan(rows, machines, "aws")
    gateways = {zone: nat.address for zone, nat in network.nats.items()}
    hosts, known = peers.known(machines, gateways)
    wanted = ingress.ingresses(
        rules,
        hosts=hosts,
        ipv6=site.ipv6,
        bastion=site.private,
        balancer="balancer" in groups,
    )
    return security.let_in(site, groups, network.vpc, wanted, known)
