"""Platform digitalocean."""

from collections.abc import Sequence

import pulumi

from components.groups import NodeGroup
from components.platforms.digitalocean.settings import DigitalOceanSettings
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint, Shared


class DigitalOcean(pulumi.ComponentResource):
    """To come."""

    def __init__(
        self,
        name: str,
        *,
        settings: DigitalOceanSettings,
        shared: Shared,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:platforms:DigitalOcean", name, None, opts)
        self.register_outputs({})

    def network(self) -> None:
        raise NotImplementedError

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        raise NotImplementedError

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:
        raise NotImplementedError

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:
        raise NotImplementedError
