"""Platform local: a cluster on this machine, made and removed like any other."""

from collections.abc import Sequence

import pulumi
from pulumi_command import local

from components.groups import NodeGroup
from components.platforms.local import endpoint, machines, network
from components.platforms.local.settings import LocalSettings
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint, Shared


class Local(pulumi.ComponentResource):
    """Nodes are containers under Podman (Linux, rootful)."""

    def __init__(
        self,
        name: str,
        *,
        settings: LocalSettings,
        shared: Shared,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:platforms:Local", name, None, opts)
        self._cluster, self._settings, self._shared = name, settings, shared
        self._child = pulumi.ResourceOptions(parent=self)
        self._network: local.Command | None = None
        self.register_outputs({})

    def network(self) -> None:
        """Two Podman networks. Nothing beyond this machine can reach either."""
        self._network = network.network(self._cluster, self._settings, self._child)

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """Containers on both networks. Raises RuntimeError before `network()`."""
        if self._network is None:
            raise RuntimeError("call network() before machines()")
        return machines.machines(
            self._cluster,
            name,
            group,
            self._settings,
            shared=self._shared,
            network=self._network,
            opts=self._child,
        )

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:  # noqa: ARG002
        """A balancer in a container of its own. Raises RuntimeError before `network()`."""
        if self._network is None:
            raise RuntimeError("call network() before endpoint()")
        return endpoint.endpoint(
            self._cluster,
            servers,
            self._settings,
            shared=self._shared,
            network=self._network,
            opts=self._child,
        )

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:  # noqa: ARG002
        """Nothing to open: both networks are bridges of this machine, closed to all others."""
        return ()
