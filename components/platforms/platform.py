"""The calls that every platform answers; nothing else of it is known elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pulumi

from components.access import AccessSettings
from components.firewall import Row
from components.groups import NodeGroup
from components.k3s.requirements import Requirements
from components.k3s.settings import K3sSettings
from components.network import NetworkSettings
from components.platforms.machine import Machine
from components.topology import Node

# What an add-on runs in the cluster that speaks to the cloud.
CloudPart = Literal["cloud-controller", "csi"]


@dataclass(frozen=True, kw_only=True)
class OperatorKey:
    """The SSH key that steps on nodes use, OpenSSH form; `private` is secret."""

    private: pulumi.Output[str]
    public: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all platforms of one cluster are told.

    `nodes` are all nodes of the cluster, `spans` says that they are on several networks.
    `generations` are what a node's machine is made anew with, as `replacement_trigger`, by name.
    `rows` is the cluster's firewall. `first_boot` is a script for each architecture, run by a fresh
    machine as root while it boots. `protect` keeps what holds data or addresses from deletion.
    `cloud_parts` will run in the cluster, on servers, and speak to the cloud.
    """

    cluster: str
    access: AccessSettings
    network: NetworkSettings
    operator: OperatorKey
    nodes: Sequence[Node]
    spans: bool
    rows: Sequence[Row]
    first_boot: Mapping[str, str]
    generations: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    protect: bool = False
    cloud_parts: frozenset[CloudPart] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a cluster asks of one platform, for its check of the settings.

    A part that could not be read is None, and what depends on it is left out. `groups` are the
    platform's own; `nodes` and `rows` the whole cluster's. `operator_key_given` is False where the
    stack is to make the operator's key. `requirements` is what less memory than k3s asks for is.
    """

    cluster: str
    groups: Mapping[str, NodeGroup]
    nodes: Sequence[Node]
    spans: bool
    rows: Sequence[Row]
    k3s: K3sSettings | None
    access: AccessSettings | None
    network: NetworkSettings | None
    operator_key_given: bool = True
    requirements: Requirements = "warning"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the API answers on port 6443: `api` for the operator, `registration` for nodes.

    `resources` are what must be there before either answers; then, `settles` seconds after a server
    has started, whoever still gets no answer will get none.
    """

    api: pulumi.Output[str]
    registration: pulumi.Output[str]
    resources: Sequence[pulumi.Resource] = ()
    settles: int = 90


class Platform(Protocol):
    """A place where nodes live. Called in this order.

    All machines of all platforms are made before the first `endpoint`: so the balancer and the
    firewall can name the addresses of exactly the nodes that may come in.
    """

    def network(self) -> None:
        """Make the network, closed but for SSH from the operator."""
        ...

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """Make the machines of one group."""
        ...

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:
        """Make the registration address in front of the servers; `machines` are all that join."""
        ...

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:
        """Let in what the rows say, from all `machines` of the cluster; gives what to wait for."""
        ...
