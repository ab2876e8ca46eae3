"""Platform existing: hosts that the stack did not make, and that stay when it goes."""

from collections.abc import Sequence

import pulumi

from components.groups import NodeGroup
from components.platforms.existing import admit, machines
from components.platforms.existing.settings import ExistingSettings
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint, Shared


class Existing(pulumi.ComponentResource):
    """Hosts of an inventory, each with a firewall of the cluster's own beside what is there."""

    def __init__(
        self,
        name: str,
        *,
        settings: ExistingSettings,
        shared: Shared,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:platforms:Existing", name, None, opts)
        self._settings, self._shared = settings, shared
        self._child = pulumi.ResourceOptions(parent=self)
        self._hosts: list[Machine] = []
        self._registration: Machine | None = None
        self.register_outputs({})

    def network(self) -> None:
        """Nothing to make: the hosts' networks are their owner's."""

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """The hosts that the group names."""
        made = machines.machines(name, group, self._settings, shared=self._shared, opts=self._child)
        self._hosts += made
        return made

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:  # noqa: ARG002
        """The first server's own addresses: no balancer stands before existing hosts yet.

        A host without an address for others is reached on the one of its own network.
        """
        self._registration = first = servers[0]
        inside, outside = first.private.ipv4, first.public.ipv4
        if inside is None:
            raise ValueError("an existing server has an IPv4 address")
        api = outside or inside
        return Endpoint(api=api, registration=api if self._shared.spans else inside)

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:
        """On each host a table of the cluster's own, which closes k3s's ports to all others."""
        return admit.admit(
            self._hosts,
            machines,
            shared=self._shared,
            registration=self._registration,
            opts=self._child,
        )
