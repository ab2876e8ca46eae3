"""The calls that every platform answers; nothing else of it is known elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi

from components.firewall import Row
from components.groups import NodeGroup
from components.platforms.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the API answers on port 6443: `api` for the operator, `registration` for nodes."""

    api: pulumi.Output[str]
    registration: pulumi.Output[str]


class Platform(Protocol):
    """A place where nodes live. Called in this order; admitting is last, when peers are known."""

    def network(self) -> None:
        """Make the network, closed but for SSH from the operator."""
        ...

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """Make the machines of one group."""
        ...

    def endpoint(self, servers: Sequence[Machine]) -> Endpoint:
        """Make the registration address in front of the servers."""
        ...

    def admit(self, rows: Sequence[Row], peers: Sequence[Machine]) -> None:
        """Let in what the rows say, from peers on other platforms too."""
        ...
