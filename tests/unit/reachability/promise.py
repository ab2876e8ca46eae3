"""What the rows of the firewall promise, by what each row says; no platform's rule is asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.firewall import Row
from tests.unit.reachability.traffic import Address, Network, Span, Spans, holds, merged

_ROLES = {"servers": {"server"}, "agents": {"agent"}, "nodes": {"server", "agent"}}
BALANCER = "registration address"
# Where nodes have no public address, it alone takes the operator's SSH from outside.
BASTION = "bastion"


@dataclass(frozen=True)
class Promise:
    """`roles` are those of all nodes by name."""

    rows: Sequence[Row]
    roles: Mapping[str, str]

    def mentioned(self) -> Iterator[Network]:
        """Every network that a row names."""
        for row in self.rows:
            yield from row.cidrs

    def outside(self, address: Address, destination: str) -> Spans:
        """What anybody at that address may reach: a node, or the registration address."""
        return merged(self._by_address(address, destination))

    def public(self, source: str, address: Address, destination: str) -> Spans:
        """What a node may reach whose packets come from that public address."""
        return merged(
            (*self._by_address(address, destination), *self._by_role(source, destination, "public"))
        )

    def private(self, source: str, address: Address, destination: str) -> Spans:
        """What a node may reach by its private address in the network of both."""
        return merged(
            (
                *self.neighbour(address, destination),
                *self._by_role(source, destination, "private"),
            )
        )

    def neighbour(self, address: Address, destination: str) -> Spans:
        """What anything in the same network may: a cloud's balancer may have any address there."""
        return merged(
            (
                *self._by_address(address, destination),
                *(
                    _span(row)
                    for row in self.rows
                    if row.source == "balancers" and self._is(destination, row.destination)
                ),
            )
        )

    def balancer(self, destination: str) -> Spans:
        """What the registration address may reach."""
        return merged(
            _span(row)
            for row in self.rows
            if row.source == BALANCER and self._is(destination, row.destination)
        )

    def _by_address(self, address: Address, destination: str) -> Iterator[Span]:
        for row in self.rows:
            if holds(row.cidrs, address) and self._is(destination, row.destination):
                yield _span(row)

    def by_role(self, source: str, destination: str, over: str) -> Spans:
        """What a node may reach for its role, over private or public addresses."""
        return merged(self._by_role(source, destination, over))

    def _by_role(self, source: str, destination: str, over: str) -> Iterator[Span]:
        for row in self.rows:
            sides = row.source in _ROLES and self._is(source, row.source)
            if row.over == over and sides and self._is(destination, row.destination):
                yield _span(row)

    def _is(self, name: str, side: str) -> bool:
        """Whether a node, or what stands in front of nodes, is on that side of a row."""
        if name in (BALANCER, BASTION):
            return side == name
        return self.roles[name] in _ROLES.get(side, ())


def _span(row: Row) -> Span:
    return Span("icmp", 0, 0) if row.protocol == "icmp" else Span(row.protocol, *row.port_range())
