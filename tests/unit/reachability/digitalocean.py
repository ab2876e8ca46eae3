"""DigitalOcean's rules as DigitalOcean applies them.

https://docs.digitalocean.com/products/networking/firewalls/ : firewalls of one Droplet add up, what
no rule names is refused, and a Droplet without a firewall is open. A load balancer's own firewall
refuses what it does not allow as soon as it allows anything:
https://docs.digitalocean.com/products/networking/load-balancers/how-to/manage-rules/
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.unit.reachability.cloud import CannotTellError
from tests.unit.reachability.traffic import (
    LAST_PORT,
    Address,
    Network,
    Packet,
    Span,
    Spans,
    holds,
    merged,
)
from tests.unit.recorder import Recording, Registration

_PREFIX = "digitalocean:index/"
# Types that let nothing in. Any other stops the evaluator: it may.
_HARMLESS = (
    frozenset(
        f"{_PREFIX}{kind[0].lower()}{kind[1:]}:{kind}"
        for kind in ("Droplet", "Firewall", "LoadBalancer", "Vpc", "Tag", "Project", "SshKey")
    )
    | frozenset(
        f"{_PREFIX}{kind[0].lower()}{kind[1:]}:{kind}"
        for kind in ("ProjectResources", "ReservedIp", "Volume")
    )
    | {f"{_PREFIX}volumeAttachment:VolumeAttachment", "pulumi:providers:digitalocean"}
)
_EVERYTHING = (Span("icmp", 0, 0), Span("tcp", 1, LAST_PORT), Span("udp", 1, LAST_PORT))


class DigitalOcean:
    """Droplets, firewalls by tag or Droplet, one load balancer."""

    # Not documented otherwise, so the wider reading counts: a tag stands for all addresses.
    groups_hold_over_public = True

    def __init__(self, recording: Recording) -> None:
        for resource in recording.registrations:
            if resource.type.startswith(_PREFIX) and resource.type not in _HARMLESS:
                raise CannotTellError(f"{resource.type} {resource.name}")
        self._droplets = {r.name: r for r in _of(recording, "droplet:Droplet")}
        self._firewalls = _of(recording, "firewall:Firewall")
        self._balancers = _of(recording, "loadBalancer:LoadBalancer")
        self._reserved = _of(recording, "reservedIp:ReservedIp")
        self._vpcs = _of(recording, "vpc:Vpc")

    def nodes(self) -> Sequence[str]:
        return list(self._droplets)

    def others(self) -> Sequence[str]:
        return ()

    def private(self, node: str) -> Address:
        return ipaddress.ip_address(self._droplets[node].outputs["ipv4AddressPrivate"])

    def seen_as(self, node: str) -> Sequence[Address]:
        """A Droplet goes out by its own addresses, and by a reserved IP when a program asks to."""
        droplet = self._droplets[node]
        reserved = [r for r in self._reserved if _number(r.inputs["dropletId"]) == int(droplet.id)]
        own = [
            droplet.outputs["ipv4Address"],
            *(address.outputs["ipAddress"] for address in reserved),
            droplet.outputs.get("ipv6Address"),
        ]
        return [ipaddress.ip_address(address) for address in own if address]

    def ranges(self) -> Iterable[Network]:
        return [ipaddress.ip_network(vpc.inputs["ipRange"]) for vpc in self._vpcs]

    def mentioned(self) -> Iterable[Network]:
        for firewall in self._firewalls:
            for rule in firewall.inputs.get("inboundRules", ()):
                yield from map(ipaddress.ip_network, rule.get("sourceAddresses", ()))
        for balancer in self._balancers:
            yield from _allowed(balancer)

    def has_public(self, node: str, version: int) -> bool:
        return any(address.version == version for address in self.seen_as(node))

    def admitted(self, node: str, packet: Packet) -> Spans:
        if not self._guards(node):
            return _EVERYTHING
        return merged(_span(rule) for rule in self._rules(node) if self._matches(rule, packet))

    def has_balancer(self) -> bool:
        return bool(self._balancers)

    def balancer_families(self) -> Sequence[int]:
        stacks = {b.inputs.get("networkStack", "IPV4") for b in self._balancers}
        return (4,) if stacks <= {"IPV4"} else (4, 6)

    def balancer_admitted(self, packet: Packet) -> Spans:
        return merged(
            Span("tcp", int(rule["entryPort"]), int(rule["entryPort"]))
            for balancer in self._balancers
            if not _allowed(balancer) or holds(_allowed(balancer), packet.address)
            for rule in balancer.inputs["forwardingRules"]
        )

    def admitted_from_balancer(self, node: str) -> Spans:
        ids = {balancer.id for balancer in self._balancers if self._fronts(balancer, node)}
        return merged(
            _span(rule)
            for rule in self._rules(node)
            if ids & set(rule.get("sourceLoadBalancerUids", ()))
        )

    def _fronts(self, balancer: Registration, node: str) -> bool:
        droplet = self._droplets[node]
        return balancer.inputs.get("dropletTag") in droplet.inputs["tags"] or _number(
            droplet.id
        ) in map(_number, balancer.inputs.get("dropletIds", ()))

    def _guards(self, node: str) -> list[Registration]:
        droplet = self._droplets[node]
        return [
            firewall
            for firewall in self._firewalls
            if set(firewall.inputs.get("tags", ())) & set(droplet.inputs.get("tags", ()))
            or _number(droplet.id) in map(_number, firewall.inputs.get("dropletIds", ()))
        ]

    def _rules(self, node: str) -> Iterator[Mapping[str, Any]]:
        for firewall in self._guards(node):
            yield from firewall.inputs.get("inboundRules", ())

    def _matches(self, rule: Mapping[str, Any], packet: Packet) -> bool:
        if rule.get("action", "allow") != "allow" or rule.get("sourceKubernetesIds"):
            raise CannotTellError(f"rule {rule}")
        if holds(map(ipaddress.ip_network, rule.get("sourceAddresses", ())), packet.address):
            return True
        if packet.sender not in self._droplets:
            return False
        sender = self._droplets[packet.sender]
        return bool(set(rule.get("sourceTags", ())) & set(sender.inputs["tags"])) or _number(
            sender.id
        ) in map(_number, rule.get("sourceDropletIds", ()))


def _of(recording: Recording, kind: str) -> list[Registration]:
    return recording.of_type(f"{_PREFIX}{kind}")


def _number(value: object) -> int:
    """Ids are texts here and numbers there."""
    return int(str(value).removesuffix(".0"))


def _span(rule: Mapping[str, Any]) -> Span:
    if rule["protocol"] == "icmp":
        return Span("icmp", 0, 0)
    ports = rule["portRange"]
    if ports in ("all", "0"):
        return Span(rule["protocol"], 1, LAST_PORT)
    low, _, high = ports.partition("-")
    return Span(rule["protocol"], int(low), int(high or low))


def _allowed(balancer: Registration) -> list[Network]:
    firewall = balancer.inputs.get("firewall", {})
    if firewall.get("denies"):
        raise CannotTellError(f"{balancer.name} denies {firewall['denies']}")
    return [ipaddress.ip_network(entry.partition(":")[2]) for entry in firewall.get("allows", ())]
