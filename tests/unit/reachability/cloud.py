"""What each evaluator answers about its cloud's part of a cluster."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from tests.unit.reachability.traffic import Address, Network, Packet, Spans


class CannotTellError(AssertionError):
    """Something recorded may let traffic in, and the evaluator does not know how."""


class Cloud(Protocol):
    """One cloud's rules, as recorded."""

    # Whether a rule that names a group of nodes also holds for their public addresses.
    groups_hold_over_public: bool

    def nodes(self) -> Sequence[str]:
        """Names of the machines that are nodes."""
        ...

    def others(self) -> Sequence[str]:
        """Names of the machines that are no nodes: a bastion."""
        ...

    def private(self, node: str) -> Address:
        """The address that nodes of the same network know it by."""
        ...

    def seen_as(self, node: str) -> Sequence[Address]:
        """Addresses that others see its packets come from."""
        ...

    def ranges(self) -> Iterable[Network]:
        """The cloud's own networks: nobody outside has an address of them."""
        ...

    def mentioned(self) -> Iterable[Network]:
        """Every network that a rule names."""
        ...

    def has_public(self, node: str, version: int) -> bool:
        """Whether a packet from the internet can get to the node at all, by IPv4 or IPv6."""
        ...

    def admitted(self, node: str, packet: Packet) -> Spans:
        """Ports of a node that let the packet in."""
        ...

    def has_balancer(self) -> bool:
        """Whether the registration address is here."""
        ...

    def balancer_families(self) -> Sequence[int]:
        """IP versions that the balancer has addresses of."""
        ...

    def balancer_admitted(self, packet: Packet) -> Spans:
        """Ports on which the balancer takes the packet in and hands it on to somebody."""
        ...

    def admitted_from_balancer(self, node: str) -> Spans:
        """Ports of a node that let the balancer in."""
        ...
