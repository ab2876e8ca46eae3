"""AWS's rules as AWS applies them.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html : rules of all groups of
an instance add up, and what none names is refused; a rule that names a group holds for private
addresses of its members (and for IPv6, which stays within the VPC), never for public IPv4 ones.
A Network Load Balancer without a security group is open.
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

# Of the namespaces in which something may let traffic in, the types that let nothing in.
_KNOWN = {
    "aws:ec2/": (
        *("vpc:Vpc", "subnet:Subnet", "internetGateway:InternetGateway", "route:Route"),
        *("routeTable:RouteTable", "routeTableAssociation:RouteTableAssociation", "eip:Eip"),
        *("eipAssociation:EipAssociation", "natGateway:NatGateway", "keyPair:KeyPair"),
        *("egressOnlyInternetGateway:EgressOnlyInternetGateway", "instance:Instance"),
        *("securityGroup:SecurityGroup", "volumeAttachment:VolumeAttachment"),
    ),
    "aws:vpc/": (
        "securityGroupIngressRule:SecurityGroupIngressRule",
        "securityGroupEgressRule:SecurityGroupEgressRule",
    ),
    "aws:lb/": (
        *("loadBalancer:LoadBalancer", "listener:Listener", "targetGroup:TargetGroup"),
        "targetGroupAttachment:TargetGroupAttachment",
    ),
    "aws:ebs/": ("volume:Volume",),
    "aws:iam/": (
        *("role:Role", "rolePolicy:RolePolicy", "instanceProfile:InstanceProfile"),
        *("policy:Policy", "rolePolicyAttachment:RolePolicyAttachment"),
    ),
}
_EVERYTHING = (
    Span("icmp", 0, 0),
    Span("icmpv6", 0, 0),
    Span("tcp", 1, LAST_PORT),
    Span("udp", 1, LAST_PORT),
)


class Aws:
    """Instances and their security groups, one Network Load Balancer, perhaps a bastion."""

    groups_hold_over_public = False

    def __init__(self, recording: Recording, nodes: Iterable[str]) -> None:
        _check_known(recording)
        self._all = recording
        machines = {r.name: r for r in recording.of_type("aws:ec2/instance:Instance")}
        self._nodes = {name: machines[name] for name in nodes if name in machines}
        self._others = {name: r for name, r in machines.items() if name not in self._nodes}
        self._rules = recording.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        self._balancers = recording.of_type("aws:lb/loadBalancer:LoadBalancer")
        self._by_group: dict[str, list[Mapping[str, Any]]] = {}
        for rule in self._rules:
            self._by_group.setdefault(rule.inputs["securityGroupId"], []).append(rule.inputs)

    def nodes(self) -> Sequence[str]:
        return list(self._nodes)

    def others(self) -> Sequence[str]:
        return list(self._others)

    def private(self, node: str) -> Address:
        return ipaddress.ip_address(self._machine(node).outputs["privateIp"])

    def ipv6(self, node: str) -> Address | None:
        """Its IPv6 address: the same inside and outside."""
        known = self._machine(node).outputs.get("ipv6Addresses")
        return ipaddress.ip_address(known[0]) if known else None

    def seen_as(self, node: str) -> Sequence[Address]:
        """Its own public address, or its gateway's; IPv6 stays within the VPC between nodes."""
        own = self._public_ipv4(node)
        ipv4 = [own] if own else [self._nat_ipv4(node)]
        ipv6 = self.ipv6(node)
        return [*ipv4, *([ipv6] if ipv6 else [])]

    def ranges(self) -> Iterable[Network]:
        return [
            ipaddress.ip_network(block)
            for vpc in self._all.of_type("aws:ec2/vpc:Vpc")
            for block in (vpc.inputs["cidrBlock"], vpc.outputs.get("ipv6CidrBlock"))
            if block
        ]

    def mentioned(self) -> Iterable[Network]:
        for rule in self._rules:
            yield from _networks(rule.inputs)

    def has_public(self, node: str, version: int) -> bool:
        """By an address of its own and a route that goes both ways."""
        machine = self._machine(node)
        route = self._route(
            machine, "destinationCidrBlock" if version == 4 else "destinationIpv6CidrBlock"
        )
        has_address = self._public_ipv4(node) if version == 4 else self.ipv6(node)
        return has_address is not None and route is not None and bool(route.get("gatewayId"))

    def admitted(self, node: str, packet: Packet) -> Spans:
        sender = self._groups(packet.sender) if packet.private and packet.sender else set()
        return merged(
            _span(rule)
            for group in self._groups(node)
            for rule in self._by_group.get(group, ())
            if holds(_networks(rule), packet.address)
            or rule.get("referencedSecurityGroupId") in sender
        )

    def has_balancer(self) -> bool:
        return bool(self._balancers)

    def balancer_families(self) -> Sequence[int]:
        kinds = {b.inputs.get("ipAddressType", "ipv4") for b in self._balancers}
        return (4, 6) if "dualstack" in kinds else (4,)

    def balancer_admitted(self, packet: Packet) -> Spans:
        return merged(
            listened
            for balancer in self._balancers
            for listened in self._listened(balancer)
            if _covers(self._balancer_lets_in(balancer, packet), listened)
        )

    def admitted_from_balancer(self, node: str) -> Spans:
        """What the targets behind it let in from its groups."""
        (balancer,) = self._balancers
        groups = set(balancer.inputs.get("securityGroups", ()))
        if not any(a.inputs["targetId"] == self._machine(node).id for a in self._attachments()):
            groups = set()
        return merged(
            _span(rule)
            for group in self._groups(node)
            for rule in self._by_group.get(group, ())
            if rule.get("referencedSecurityGroupId") in groups
        )

    def _machine(self, name: str) -> Registration:
        return self._nodes.get(name) or self._others[name]

    def _groups(self, name: str) -> set[str]:
        machine = self._nodes.get(name) or self._others.get(name)
        if machine is None:
            return set()
        groups = machine.inputs.get("vpcSecurityGroupIds")
        if not groups or machine.inputs.get("networkInterfaces"):
            raise CannotTellError(f"{name} is in the VPC's default group, or in unknown ones")
        return set(groups)

    def _public_ipv4(self, name: str) -> Address | None:
        machine = self._machine(name)
        for association in self._all.of_type("aws:ec2/eipAssociation:EipAssociation"):
            if association.inputs["instanceId"] == machine.id:
                return self._elastic(association.inputs["allocationId"])
        lent = machine.inputs.get(
            "associatePublicIpAddress", self._subnet(machine).inputs.get("mapPublicIpOnLaunch")
        )
        return ipaddress.ip_address(machine.outputs["publicIp"]) if lent else None

    def _elastic(self, allocation: str) -> Address:
        (address,) = (e for e in self._all.of_type("aws:ec2/eip:Eip") if e.id == allocation)
        return ipaddress.ip_address(address.outputs["publicIp"])

    def _nat_ipv4(self, name: str) -> Address:
        route = self._route(self._machine(name), "destinationCidrBlock") or {}
        gateways = self._all.of_type("aws:ec2/natGateway:NatGateway")
        (gateway,) = (g for g in gateways if g.id == route.get("natGatewayId"))
        return self._elastic(gateway.inputs["allocationId"])

    def _subnet(self, machine: Registration) -> Registration:
        subnets = self._all.of_type("aws:ec2/subnet:Subnet")
        (subnet,) = (s for s in subnets if s.id == machine.inputs["subnetId"])
        return subnet

    def _route(self, machine: Registration, key: str) -> Mapping[str, Any] | None:
        """The default route of a machine's subnet."""
        subnet = machine.inputs["subnetId"]
        tables = {
            a.inputs["routeTableId"]
            for a in self._all.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")
            if a.inputs["subnetId"] == subnet
        }
        routes = [
            route.inputs
            for route in self._all.of_type("aws:ec2/route:Route")
            if route.inputs["routeTableId"] in tables
            and route.inputs.get(key) in ("0.0.0.0/0", "::/0")
        ]
        return routes[0] if routes else None

    def _balancer_lets_in(self, balancer: Registration, packet: Packet) -> Spans:
        groups = balancer.inputs.get("securityGroups")
        if not groups:
            return _EVERYTHING
        return merged(
            _span(rule)
            for group in groups
            for rule in self._by_group.get(group, ())
            if holds(_networks(rule), packet.address)
        )

    def _listened(self, balancer: Registration) -> Iterator[Span]:
        for listener in self._all.of_type("aws:lb/listener:Listener"):
            if listener.inputs["loadBalancerArn"] == balancer.outputs["arn"]:
                port = int(listener.inputs["port"])
                yield Span(listener.inputs["protocol"].lower(), port, port)

    def _attachments(self) -> list[Registration]:
        return self._all.of_type("aws:lb/targetGroupAttachment:TargetGroupAttachment")


def _check_known(recording: Recording) -> None:
    for resource in recording.registrations:
        if not resource.type.startswith("aws:"):
            continue
        known = [p + k for p, kinds in _KNOWN.items() for k in kinds]
        if resource.type not in known:
            raise CannotTellError(f"{resource.type} {resource.name}")
        if resource.inputs.get("ingress") or resource.inputs.get("securityGroupIds"):
            raise CannotTellError(f"{resource.name} has rules of its own")


def _networks(rule: Mapping[str, Any]) -> list[Network]:
    if rule.get("prefixListId"):
        raise CannotTellError(f"a prefix list: {rule}")
    given = (rule.get("cidrIpv4"), rule.get("cidrIpv6"))
    return [ipaddress.ip_network(cidr) for cidr in given if cidr]


def _span(rule: Mapping[str, Any]) -> Span:
    protocol = rule["ipProtocol"]
    if protocol == "-1":
        raise CannotTellError(f"all protocols at once: {rule}")
    if protocol in ("icmp", "icmpv6"):
        return Span(protocol, 0, 0)
    if protocol not in ("tcp", "udp"):
        raise CannotTellError(f"protocol {protocol}: {rule}")
    return Span(protocol, int(rule["fromPort"]), int(rule["toPort"]))


def _covers(spans: Spans, wanted: Span) -> bool:
    return any(
        s.protocol == wanted.protocol and s.low <= wanted.low and wanted.high <= s.high
        for s in spans
    )
