"""Platform digitalocean: Droplets in one VPC of one region."""

from collections.abc import Sequence

import pulumi
import pulumi_digitalocean as digitalocean

from components.groups import NodeGroup
from components.platforms.digitalocean import admit, endpoint, machines, network
from components.platforms.digitalocean.network import Network
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint, Shared


class DigitalOcean(pulumi.ComponentResource):
    """Nodes are Droplets, the registration address is a load balancer."""

    def __init__(
        self,
        name: str,
        *,
        settings: DigitalOceanSettings,
        shared: Shared,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:platforms:DigitalOcean", name, None, opts)
        self._settings, self._shared = settings, shared
        self._child = pulumi.ResourceOptions(parent=self)
        self._network: Network | None = None
        self._balancer: digitalocean.LoadBalancer | None = None
        self.register_outputs({})

    def network(self) -> None:
        """VPC, project, tags, the operator's key, and the firewall that lets SSH in."""
        self._network = network.network(self._shared, self._settings, self._child)

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """Droplets. Raises RuntimeError before `network()`."""
        making = machines.Making(
            shared=self._shared, settings=self._settings, network=self._made(), opts=self._child
        )
        return machines.machines(name, group, making)

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:  # noqa: ARG002
        """A load balancer, which finds the servers by their tag."""
        self._balancer = endpoint.balancer(
            self._shared, self._settings, self._made(), machines, self._child
        )
        address = self._balancer.ip
        return Endpoint(api=address, registration=address, resources=[self._balancer])

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:
        """Cloud firewalls by tag."""
        return admit.admit(
            self._shared, self._settings, self._made(), self._balancer, machines, self._child
        )

    def _made(self) -> Network:
        if self._network is None:
            raise RuntimeError("call network() first")
        return self._network
