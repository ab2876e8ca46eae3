"""Bootstrap of the first member, and install: every node's join."""

from collections.abc import Sequence

import pulumi
from pulumi_command import remote

from components.k3s.prepare import Prepared
from components.k3s.step import Step
from components.platforms.machine import Machine

# From a cold start with images to import: a minute on a small cloud machine, bounded well above;
# before that, as long as a cloud's balancer may take.
SECONDS = 1020
# The parts of a script that puts k3s in place.
INSTALLS = ("release", "clock", "reach", "rejoin", "service", "pod_network")

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
    labels: str,
    pod_ips: pulumi.Input[str],
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Start the cluster on its first member, once in the cluster's life; gives the CA hash.

    `labels` is what k3s reads at the node's first registration; `pod_ips` are the node's own
    addresses that pods on different nodes speak over, one a line.
    The hash is the SHA-256 of the server CA, 64 hex digits.
    """
    command = Step("bootstrap", seconds=SECONDS, parts=INSTALLS).on(
        f"{cluster}-bootstrap",
        machine,
        subject=machine.name,
        variables={
            **prepared.variables(),
            "ROLE": "server",
            "CONFIG": config,
            "LABELS_CONFIG": labels,
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
    labels: str,
    pod_ips: pulumi.Input[str],
    reach_seconds: int,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Join a node to its cluster; once it has joined, write down its labels and taints.

    What k3s runs with is changed by rolling.py: here nothing is started anew for it.
    `pod_ips` are the node's own addresses that pods on different nodes speak over, one a line.
    `reach_seconds` is how long the registration address may be silent before a joiner gives up.
    """
    return Step("install", seconds=SECONDS, parts=INSTALLS, updatable=True).on(
        f"{machine.name}-install",
        machine,
        subject=machine.name,
        variables={
            **prepared.variables(),
            "ROLE": machine.role,
            "CONFIG": config,
            "LABELS_CONFIG": labels,
            "POD_IPS": pod_ips,
            "REACH_SECONDS": str(reach_seconds),
        },
        triggers=[machine.id],
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=[*prepared.steps, *after])
        ),
    )
