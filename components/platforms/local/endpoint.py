"""The registration address: a container in front of the servers, whichever those are."""

from collections.abc import Sequence

import pulumi

from components.platforms import haproxy
from components.platforms.local.containers import container
from components.platforms.local.settings import LocalSettings, registration_name
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint, Shared


def endpoint(
    cluster: str,
    servers: Sequence[Machine],
    settings: LocalSettings,
    *,
    shared: Shared,
    network: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> Endpoint:
    """Make it on both networks, as a cloud's balancer has a private and a public side."""
    made = container(
        cluster,
        registration_name(cluster),
        settings,
        shared=shared,
        after=[network],
        opts=opts,
    )
    balancer = haproxy.balancer(
        registration_name(cluster), made, servers, deleted_with=made.resource, opts=opts
    )
    return Endpoint(
        api=pulumi.Output.from_input(made.public),
        registration=pulumi.Output.from_input(made.private),
        resources=[balancer],
    )
