"""Platform existing: hosts that the stack did not make, and that stay when it goes."""

from collections.abc import Sequence

import pulumi

from components.groups import NodeGroup
from components.platforms.existing import admit, endpoint, machines
from components.platforms.existing.endpoint import Front
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
        self._front: Front | None = None
        self._servers: Sequence[Machine] = ()
        self.register_outputs({})

    def network(self) -> None:
        """Nothing to make: the hosts' networks are their owner's."""

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """The hosts that the group names."""
        made = machines.machines(name, group, self._settings, shared=self._shared, opts=self._child)
        self._hosts += made
        return made

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:  # noqa: ARG002
        """What the settings put before the servers; HAProxy comes when its host is the cluster's.

        A host without an address for others is reached on the one of its own network.
        """
        self._front = front = endpoint.front(
            self._settings.registration,
            self._settings.hosts,
            self._hosts,
            servers,
            shared=self._shared,
            opts=self._child,
        )
        self._servers = servers
        return Endpoint(api=front.api, registration=front.registration)

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:
        """On each host a table of the cluster's own, which closes k3s's ports to all others."""
        return admit.admit(
            self._hosts,
            self._servers,
            machines,
            shared=self._shared,
            front=self._front,
            opts=self._child,
        )
