"""What AWS would answer to a registration: the outputs that the program uses."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

# Of the VPC's /56; addresses of machines are in its own documentation range.
VPC_IPV6 = "2001:db8:1234:1a00::/56"


def outputs(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs beside the inputs, by the resource's type; addresses follow from its name."""
    answer = _ANSWERS.get(token)
    return answer(name, inputs) if answer else {}


def public_ipv4(name: str) -> str:
    """The address that AWS lends or gives under a name."""
    number = _number(name)
    return f"18.{64 + number % 64}.{number >> 8 & 255}.{1 + (number >> 16) % 254}"


def private_ipv4(name: str) -> str:
    """A machine's address in the VPC."""
    number = _number(name)
    return f"10.20.{number % 256}.{10 + (number >> 8) % 200}"


def ipv6(name: str) -> str:
    """A machine's IPv6 address."""
    return f"2001:db8:1234:1a00::{_number(name) & 0xFFFF:x}"


def volume_id(name: str) -> str:
    """A volume's id, which its device path is made of."""
    return f"vol-{hashlib.sha256(name.encode()).hexdigest()[:17]}"


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _vpc(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return {"ipv6CidrBlock": VPC_IPV6} if inputs.get("assignGeneratedIpv6CidrBlock") else {}


def _instance(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    addresses = {"privateIp": private_ipv4(name), "publicIp": public_ipv4(f"{name}-lent")}
    return addresses | ({"ipv6Addresses": [ipv6(name)]} if inputs.get("ipv6AddressCount") else {})


def _elastic(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return {"publicIp": public_ipv4(name), "allocationId": f"{name}-id"}


def _load_balancer(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return {
        "arn": f"arn:aws:elasticloadbalancing:::loadbalancer/net/{name}",
        "dnsName": f"{name}-0123456789abcdef.elb.eu-central-1.amazonaws.com",
    }


def _target_group(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return {"arn": f"arn:aws:elasticloadbalancing:::targetgroup/{name}"}


def _named(key: str) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    return lambda name, inputs: {key: inputs.get(key) or f"{name}-0123456"}


_ANSWERS: Mapping[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    "aws:ec2/vpc:Vpc": _vpc,
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/eip:Eip": _elastic,
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:lb/targetGroup:TargetGroup": _target_group,
    "aws:ec2/keyPair:KeyPair": _named("keyName"),
    "aws:iam/role:Role": _named("name"),
    "aws:iam/instanceProfile:InstanceProfile": _named("name"),
}
