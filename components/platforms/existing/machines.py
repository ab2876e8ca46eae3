"""The hosts of a group, as the rest of the program knows a node."""

import ipaddress
from dataclasses import dataclass, replace

import pulumi
from pulumi_command import remote
from pulumi_random import RandomId

from components.groups import NodeGroup
from components.k3s.release import STORE
from components.platforms.existing import login, step
from components.platforms.existing.hosts import Address, Host, JumpHost
from components.platforms.existing.settings import ExistingSettings
from components.platforms.machine import Addresses, Machine, Ssh
from components.platforms.platform import OperatorKey, Shared

_HOST_KEY = "hostKey"
CLEAN = step.files("uninstall", "clean")
# k3s's own uninstaller, which ends all pods first.
_SECONDS = 300
# https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone
_ZONE = "topology.kubernetes.io/zone"


class ExistingHost(pulumi.ComponentResource):
    """A host of the inventory. Nothing makes or deletes it: it stands for the host in the state.

    `identity` is made anew when the host has another host key, as a machine on a cloud is, and with
    another `generation`: what was done on the host before goes first, so that a node's old self has
    left when the new one joins.
    """

    identity: RandomId

    def __init__(
        self,
        name: str,
        host: Host,
        opts: pulumi.ResourceOptions,
        generation: pulumi.Output[str] | None = None,
    ) -> None:
        super().__init__("k3s:platforms:ExistingHost", name, None, opts)
        self.identity = RandomId(
            f"{name}-identity",
            byte_length=8,
            keepers={_HOST_KEY: _key_of(host)},
            opts=pulumi.ResourceOptions(
                parent=self, delete_before_replace=True, replacement_trigger=generation
            ),
        )
        self.register_outputs({"address": host.address, "hostKey": _key_of(host)})

    def cleaned(
        self, name: str, ssh: Ssh, shared: Shared, generation: pulumi.Input[str]
    ) -> remote.Command:
        """What takes k3s off the host when `generation` is another; nothing runs until then."""
        return step.command(
            name,
            ssh,
            "clean",
            CLEAN,
            {"CLUSTER": shared.cluster, "STORE": STORE, "GENERATION": generation},
            actions=("update",),
            seconds=_SECONDS,
            # The node's old self has left the cluster when that goes.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.identity]),
        )


@dataclass(frozen=True, kw_only=True)
class BalancerHost:
    """A host that is no node: HAProxy runs on it, in front of the servers."""

    name: str
    network: str
    private: Addresses
    public: Addresses
    ssh: Ssh


def balancer(name: str, host: Host, shared: Shared, opts: pulumi.ResourceOptions) -> BalancerHost:
    """The host, which shares the network of those that have private addresses."""
    made = ExistingHost(name, host, opts)
    return BalancerHost(
        name=name,
        network="existing",
        private=_addresses(host.internal()),
        public=_addresses(host.external()),
        ssh=_as_root(made, name, host, shared),
    )


def machines(
    group_name: str,
    group: NodeGroup,
    settings: ExistingSettings,
    *,
    shared: Shared,
    opts: pulumi.ResourceOptions,
) -> list[Machine]:
    """A machine for each name in the group's `nodes`."""
    networks = {node.name: node.network for node in shared.nodes}
    names = zip(group.node_keys(), group.node_names(shared.cluster, group_name), strict=True)
    return [
        _machine(name, group_name, group, settings.hosts[key], networks[name], shared, opts)
        for key, name in names
    ]


def _machine(
    name: str,
    group_name: str,
    group: NodeGroup,
    host: Host,
    network: str,
    shared: Shared,
    opts: pulumi.ResourceOptions,
) -> Machine:
    generation = shared.generations.get(name)
    made = ExistingHost(name, host, opts, generation)
    ssh = _as_root(made, name, host, shared)
    cleaned = made.cleaned(name, ssh, shared, generation or "")
    return Machine(
        name=name,
        group=group_name,
        role=group.role,
        arch=host.arch,
        private=_addresses(host.internal()),
        public=_addresses(host.external()),
        ssh=ssh,
        # Known when the host is as new: whatever is done on it waits for that.
        id=pulumi.Output.all(made.identity.hex, cleaned.id).apply(lambda known: str(known[0])),
        resource=made.identity,
        network=network,
        disks=[pulumi.Output.from_input(disk) for disk in host.disks],
        topology={_ZONE: host.zone} if host.zone else {},
    )


def _addresses(address: Address | None) -> Addresses:
    if address is None:
        return Addresses()
    known = pulumi.Output.from_input(str(address))
    is_ipv4 = isinstance(address, ipaddress.IPv4Address)
    return Addresses(ipv4=known) if is_ipv4 else Addresses(ipv6=known)


def _as_root(made: ExistingHost, name: str, host: Host, shared: Shared) -> Ssh:
    """How steps get there, once it is seen that they may become root."""
    ssh = _ssh(host, shared.operator, jump=host.jump)
    opts = pulumi.ResourceOptions(parent=made)
    return replace(ssh, host=login.checked(name, host, ssh, opts))


def _ssh(host: JumpHost, operator: OperatorKey, jump: JumpHost | None = None) -> Ssh:
    return Ssh(
        host=pulumi.Output.from_input(host.address),
        user=host.user,
        port=host.port,
        private_key=operator.private,
        host_key=pulumi.Output.from_input(_key_of(host)),
        jump=_ssh(jump, operator) if jump else None,
    )


def _key_of(host: JumpHost) -> str:
    """Type and key, without the comment: that may change on the same machine."""
    return " ".join((host.host_key or "").split()[:2])
