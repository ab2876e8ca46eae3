"""The registration address: a Network Load Balancer that no single server's coming or going moves.

A server that reaches itself through it must not be answered by itself, so clients' addresses are
not preserved, and who may come in is the business of the balancer's own security group:
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-troubleshooting.html
"""

from collections.abc import Sequence

from pulumi_aws import ec2, lb

from components.platforms.aws import naming
from components.platforms.aws.network import Network
from components.platforms.aws.site import Site
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint

_PORT = 6443
# A server that is gone is not asked again after some 20 seconds; its connections end with it.
_CHECK_SECONDS = 10
_CHECKS = 2
# A new balancer takes minutes to be there, and so does a target until it is asked for its health:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html
_SETTLES = 420
_DRAIN_SECONDS = 30


def endpoint(
    site: Site, network: Network, group: ec2.SecurityGroup, servers: Sequence[Machine]
) -> Endpoint:
    """Make it. Names are AWS's to end, and may have 32 characters: settings are held against it."""
    balancer = lb.LoadBalancer(
        naming.balancer(site.cluster),
        load_balancer_type="network",
        internal=False,
        ip_address_type="dualstack" if site.ipv6 else "ipv4",
        security_groups=[group.id],
        subnets=[subnet.id for subnet in network.public.values()],
        # Else a zone without a healthy server would answer nobody.
        enable_cross_zone_load_balancing=True,
        tags=site.tags(f"{site.cluster}-api"),
        opts=site.with_options(protect=site.shared.protect, depends_on=list(network.ready)),
    )
    targets = _targets(site, network)
    listener = lb.Listener(
        f"{site.cluster}-listener",
        load_balancer_arn=balancer.arn,
        port=_PORT,
        protocol="TCP",
        default_actions=[
            lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)
        ],
        tags=site.tags(f"{site.cluster}-api"),
        opts=site.opts,
    )
    attached = [_attach(site, targets, server) for server in servers]
    return Endpoint(
        api=balancer.dns_name,
        registration=balancer.dns_name,
        resources=[listener, *attached],
        settles=_SETTLES,
    )


def _targets(site: Site, network: Network) -> lb.TargetGroup:
    return lb.TargetGroup(
        naming.target_group(site.cluster),
        port=_PORT,
        protocol="TCP",
        target_type="instance",
        vpc_id=network.vpc.id,
        preserve_client_ip="false",
        deregistration_delay=_DRAIN_SECONDS,
        connection_termination=True,
        # The API answers strangers 401, which no HTTP check takes for health.
        health_check=lb.TargetGroupHealthCheckArgs(
            protocol="TCP",
            port="traffic-port",
            interval=_CHECK_SECONDS,
            healthy_threshold=_CHECKS,
            unhealthy_threshold=_CHECKS,
        ),
        tags=site.tags(f"{site.cluster}-api"),
        opts=site.opts,
    )


def _attach(site: Site, targets: lb.TargetGroup, server: Machine) -> lb.TargetGroupAttachment:
    return lb.TargetGroupAttachment(
        f"{server.name}-target",
        target_group_arn=targets.arn,
        target_id=server.id,
        port=_PORT,
        opts=site.opts,
    )
