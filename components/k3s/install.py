"""Bootstrap of the first member, and install: every node's join."""

from collections.abc import Sequence

import pulumi
from pulumi_command import remote

from components.k3s.prepare import Prepared
from components.k3s.step import Step
from components.platforms.machine import Machine

# From a cold start with images to import: a minute on a small cloud machine, bounded well above;
# before that, as long as a cloud's balancer may take.
_SECONDS = 1020
_PARTS = ("release", "reach", "service")

# A new value of any of these would run the script again, and its output would then overwrite the
# CA hash, or a second cluster would be born on a first server that was replaced.
_BORN_ONCE = [
    "connection",
    "create",
    "update",
    "delete",
    "stdin",
    "environment",
    "logging",
    "triggers",
    "addPreviousOutputInEnv",
]


def bootstrap(
    cluster: str,
    machine: Machine,
    prepared: Prepared,
    config: pulumi.Output[str],
    pod_ips: pulumi.Input[str],
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Start the cluster on its first member, once in the cluster's life; gives the CA hash.

    `pod_ips` are the node's own addresses that pods on different nodes speak over, one a line.
    The hash is the SHA-256 of the server CA, 64 hex digits.
    """
    command = Step("bootstrap", seconds=_SECONDS, parts=_PARTS).on(
        f"{cluster}-bootstrap",
        machine,
        subject=machine.name,
        variables={
            **prepared.variables(),
            "ROLE": "server",
            "CONFIG": config,
            "POD_IPS": pod_ips,
        },
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(depends_on=[*prepared.steps, *after], ignore_changes=_BORN_ONCE),
        ),
    )
    return command.stdout


def install(
    machine: Machine,
    prepared: Prepared,
    config: pulumi.Output[str],
    pod_ips: pulumi.Input[str],
    reach_seconds: int,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Join a node to its cluster, or bring a node that has joined to a changed configuration.

    `pod_ips` are the node's own addresses that pods on different nodes speak over, one a line.
    `reach_seconds` is how long the registration address may be silent before a joiner gives up.
    """
    return Step("install", seconds=_SECONDS, parts=_PARTS).on(
        f"{machine.name}-install",
        machine,
        subject=machine.name,
        variables={
            **prepared.variables(),
            "ROLE": machine.role,
            "CONFIG": config,
            "POD_IPS": pod_ips,
            "REACH_SECONDS": str(reach_seconds),
        },
        triggers=[machine.id],
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=[*prepared.steps, *after])
        ),
    )
