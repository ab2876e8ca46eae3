"""The VPC, the project, the tags that firewalls go by, and the firewall that lets SSH in."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from components.platforms import plan
from components.platforms.digitalocean import naming
from components.platforms.digitalocean.naming import NETWORK
from components.platforms.digitalocean.rules import SSH, merged
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.platform import Shared

_GROUPS = {"server": "servers", "agent": "agents"}


@dataclass(frozen=True, kw_only=True)
class Network:
    """What machines, balancer and firewalls stand in.

    `tag` is on every Droplet of the cluster, `tags` are those of servers and agents, by that name
    and only where there are any. `ssh` is the firewall on `tag`.
    """

    vpc: digitalocean.Vpc
    project: digitalocean.Project
    ssh_key: digitalocean.SshKey
    tag: digitalocean.Tag
    tags: Mapping[str, digitalocean.Tag]
    ssh: digitalocean.Firewall


def network(
    shared: Shared, settings: DigitalOceanSettings, opts: pulumi.ResourceOptions
) -> Network:
    """Make it. The firewall is there before any Droplet is."""
    cluster, name = shared.cluster, naming.in_account(shared.cluster)
    roles = {_GROUPS[node.role] for node in shared.nodes if node.network == NETWORK}
    tag = digitalocean.Tag(f"{cluster}-tag", name=name, opts=opts)
    return Network(
        vpc=digitalocean.Vpc(
            f"{cluster}-vpc",
            name=name,
            region=settings.region,
            ip_range=str(settings.cidr),
            opts=opts,
        ),
        project=digitalocean.Project(
            f"{cluster}-project",
            name=name,
            description=f"k3s cluster {cluster}",
            purpose="Service or API",
            opts=opts,
        ),
        # A Droplet without a key is given a password, by mail.
        ssh_key=digitalocean.SshKey(
            f"{cluster}-ssh-key",
            name=name,
            public_key=shared.operator.public.apply(str.strip),
            opts=opts,
        ),
        tag=tag,
        tags={
            group: digitalocean.Tag(
                f"{cluster}-tag-{group}", name=naming.in_account(cluster, group), opts=opts
            )
            for group in sorted(roles)
        },
        ssh=_ssh(shared, tag, opts),
    )


def _ssh(
    shared: Shared, tag: digitalocean.Tag, opts: pulumi.ResourceOptions
) -> digitalocean.Firewall:
    """SSH in, everything out: firewalls of one Droplet add up, so the others need not say it."""
    rules = [rule for rule in plan.plan(shared.rows, shared.nodes, NETWORK) if rule.row.name == SSH]
    return digitalocean.Firewall(
        f"{shared.cluster}-firewall-ssh",
        name=naming.in_account(shared.cluster, "ssh"),
        tags=[tag.name],
        inbound_rules=[
            digitalocean.FirewallInboundRuleArgs(
                protocol=traffic.protocol,
                port_range=traffic.ports,
                source_addresses=[
                    str(source.cidr)
                    for source in traffic.sources
                    if isinstance(source, plan.Outside)
                ],
            )
            for traffic in merged(rules)
        ],
        outbound_rules=_outbound(ipv6=shared.network.ipv6),
        opts=opts,
    )


def _outbound(*, ipv6: bool) -> list[digitalocean.FirewallOutboundRuleArgs]:
    """Nodes and pods reach out freely: images, packages, time, and what the workloads speak to."""
    everywhere = ["0.0.0.0/0", *(["::/0"] if ipv6 else [])]
    return [
        digitalocean.FirewallOutboundRuleArgs(
            protocol=protocol,
            port_range=None if protocol == "icmp" else "1-65535",
            destination_addresses=everywhere,
        )
        for protocol in ("tcp", "udp", "icmp")
    ]
