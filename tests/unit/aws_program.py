"""Small clusters on AWS, recorded, and how tests look at them."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.unit import recordings
from tests.unit.recorder import Recording, Registration

IMAGES = {"amd64": "ami-0e872aee57663ae2d", "arm64": "ami-0123456789abcdef0"}
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INSTANCE = "aws:ec2/instance:Instance"
ELASTIC = "aws:ec2/eip:Eip"
COMMAND = "command:remote:Command"

GROUPS: Mapping[str, Any] = {
    "server": {"role": "server", "count": 1},
    "agent": {"role": "agent", "count": 1},
}


def overrides(
    groups: Mapping[str, Any] = GROUPS,
    aws: Mapping[str, Any] | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Of stack "production": one server and one agent in two zones, or as given."""
    settings = {"region": "eu-central-1", "zones": ["a", "b"], "images": IMAGES, **(aws or {})}
    # Add-ons are other tests' matter.
    plain = {"network": None, "protect": None, "addons": None}
    return {"groups": groups, "aws": settings, **plain, **others}


def run(
    groups: Mapping[str, Any] = GROUPS,
    aws: Mapping[str, Any] | None = None,
    **others: Any,
) -> Recording:
    """The same, recorded."""
    return recordings.of("production", overrides(groups, aws, **others))


def tagged(recording: Recording, tag: str) -> list[str]:
    """Names of the resources that have a tag."""
    return [r.name for r in recording.registrations if tag in (r.inputs.get("tags") or {})]


def inbound(recording: Recording, group: str) -> set[tuple[str, str, str]]:
    """What a security group lets in: (protocol, ports, source) of each rule."""
    return set(_rules(recording, INGRESS, group))


def outbound(recording: Recording, group: str) -> set[tuple[str, str, str]]:
    """What a security group lets out: (protocol, ports, destination) of each rule."""
    return set(_rules(recording, EGRESS, group))


def _rules(recording: Recording, token: str, group: str) -> Iterator[tuple[str, str, str]]:
    for rule in recording.of_type(token):
        if rule.inputs["securityGroupId"] == f"production-{group}-id":
            yield rule.inputs["ipProtocol"], _ports(rule), _other_side(rule)


def _ports(rule: Registration) -> str:
    low, high = (rule.inputs.get(key) for key in ("fromPort", "toPort"))
    return "all" if low in (None, -1) else str(int(low)) + ("" if low == high else f"-{int(high)}")


def _other_side(rule: Registration) -> str:
    (side,) = (
        rule.inputs[key]
        for key in ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId")
        if key in rule.inputs
    )
    return str(side).removeprefix("production-").removesuffix("-id")
