"""A node's coming and going: Ready with its addresses, labelled; and gone before it comes anew."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_command import remote

from components.k3s.step import Step
from components.platforms.machine import Machine

# 300 s until Ready when it comes, and 60 s each for the API and its addresses.
_SECONDS = 480
# When it goes: 120 s to move its pods away, 180 s until its Node is gone, twice 60 s for the other
# servers, and 60 s for the API.
_LEAVING_SECONDS = 600


def leave(
    machine: Machine,
    via: Machine,
    *,
    registration: pulumi.Output[str],
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Before the machine is made anew, drain the node and delete it from the cluster, on `via`.

    Else the machine could not join in its place; so this is there before it joins, also where its
    join then fails, and nothing runs until it goes. Refused while etcd would lose its quorum. That
    is left out when `via` goes too, as it does with the whole cluster. `registration` is the API's
    URL, which is asked when `via` has no answer.
    """
    step = Step(
        "leaving",
        seconds=_LEAVING_SECONDS,
        parts=("nodes", "removal"),
        creates=False,
        removable=True,
    )
    return step.on(
        f"{machine.name}-leaving",
        via,
        subject=machine.name,
        variables={"ROLE": machine.role, "REGISTRATION": registration},
        triggers=[machine.id],
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=list(after), deleted_with=via.resource)
        ),
    )


def register(
    machine: Machine,
    via: Machine,
    *,
    labels: Mapping[str, str],
    taints: Sequence[str],
    dual_stack: bool,
    has_pod_network: bool,
    external_cloud: bool,
    registration: pulumi.Output[str],
    installed: remote.Command,
    via_installed: remote.Command,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Follow the node from `via`, a server that stays when the node goes.

    Waits until the node is Ready; where k3s gives no pod network, until nothing else is missing.
    With `external_cloud` the node's external addresses are not waited for: a cloud's controller,
    which comes later, tells them.

    `registration` is the API's URL, which is asked when `via` has no answer.
    """
    step = Step("registration", seconds=_SECONDS, parts=("nodes", "removal"))
    return step.on(
        f"{machine.name}-registration",
        via,
        subject=machine.name,
        variables={
            "REGISTRATION": registration,
            "INTERNAL_IPS": machine.private.of(dual_stack=dual_stack).listed().apply(_lines),
            "EXTERNAL_IPS": machine.public.of(dual_stack=dual_stack).listed().apply(_lines),
            # Without one, a node is Ready only when somebody has installed a network plugin.
            "POD_NETWORK": "yes" if has_pod_network else "",
            "EXTERNAL_CLOUD": "yes" if external_cloud else "",
            # k3s applies labels and taints at the first registration only.
            "LABELS": _lines([f"{key}={value}" for key, value in sorted(labels.items())]),
            "TAINTS": _lines(sorted(taints)),
        },
        triggers=[machine.id],
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=[installed, via_installed])
        ),
    )


def _lines(values: Sequence[str]) -> str:
    return "\n".join(values)
