"""Who belongs to the cluster: nodes that are no longer named leave before their machines go."""

from collections.abc import Sequence

import pulumi
from pulumi_command import remote
from pulumi_random import RandomId

from components.k3s.step import Step
from components.platforms.machine import Machine

# Nodes leave one after another: up to 120 s to move the pods away, 180 s until a Node is gone.
_SECONDS = 7200
# Of seven servers three may be silent.
_ROOM_SECONDS = 1800


def room(
    cluster: str,
    servers: Sequence[Machine],
    *,
    registration: pulumi.Output[str],
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Take out, before a server joins, what is none of `servers` any more and does not answer.

    etcd refuses a further member while one of those that it has is away
    (https://etcd.io/docs/v3.6/op-guide/configuration/, strict-reconfig-check). It goes through the
    first of them; where that one is to join, too, it has nobody to ask, and takes nobody out.
    """
    step = Step(
        "room", seconds=_ROOM_SECONDS, parts=("nodes", "removal"), creates=False, updatable=True
    )
    return step.on(
        f"{cluster}-room",
        servers[0],
        subject=cluster,
        variables={
            "NODES": " ".join(sorted(server.name for server in servers)),
            "REGISTRATION": registration,
        },
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
    )


def members(
    cluster: str,
    machines: Sequence[Machine],
    *,
    via: Machine,
    registration: pulumi.Output[str],
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Take out, from the server `via`, whoever was registered and is none of `machines` any more.

    Nothing runs when the cluster is made. Later, an update comes before all deletes, and with
    today's connection: the delete of a node's own registration is too late where its server was
    replaced in the same run, and is left out then. `registration` is the API's URL, which is asked
    when `via` has no answer. Refused while etcd would lose its quorum.
    """
    nodes = " ".join(sorted(machine.name for machine in machines))
    # Another one for each change of the list, also for one that is taken back after a failure: what
    # failed has left the list of before in the state, which would be no difference then.
    change = RandomId(
        f"{cluster}-membership",
        byte_length=8,
        keepers={"nodes": nodes},
        opts=opts,
    )
    step = Step(
        "members", seconds=_SECONDS, parts=("nodes", "removal"), creates=False, updatable=True
    )
    return step.on(
        f"{cluster}-members",
        via,
        subject=cluster,
        variables={"NODES": nodes, "REGISTRATION": registration, "CHANGE": change.hex},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
    )
