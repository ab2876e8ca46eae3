"""What is counted from the settings is what is registered."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit import aws_program
from tests.unit.aws_program import ELASTIC, INGRESS, run
from tests.unit.recorder import Recording, Registration
from tests.unit.stackfiles import raw

FAR = {"role": "agent", "count": 3, "platform": "digitalocean"}
# Settings of clusters, and which security group fills first.
CLUSTERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "public": ({}, "servers"),
    "dual stack": ({"network": {"ipv6": True, "profiles": ["ingress"]}}, "servers"),
    "many agents": (
        {"groups": {**aws_program.GROUPS, "more": {"role": "agent", "count": 10}}},
        "balancer",
    ),
    "private": ({"network": {"nodes": "private"}, "aws": {"nat": "zonal"}}, "servers"),
    "spanning": (
        {
            "groups": {**aws_program.GROUPS, "far": FAR},
            "digitalocean": {"region": "fra1"},
        },
        "servers",
    ),
    "spanning with reserved IPs": (
        {
            "groups": {**aws_program.GROUPS, "far": FAR},
            "digitalocean": {"region": "fra1"},
            "network": {"fixedAddresses": "all", "ipv6": True},
        },
        "servers",
    ),
}


def families(rule: Registration) -> list[int]:
    """AWS counts a rule that names a group for both families."""
    if "referencedSecurityGroupId" in rule.inputs:
        return [4, 6]
    return [4 if "cidrIpv4" in rule.inputs else 6]


def fullest(recording: Recording) -> tuple[str, int]:
    """The security group with the most inbound rules of one family, and how many."""
    counted = Counter(
        (str(rule.inputs["securityGroupId"]), family)
        for rule in recording.of_type(INGRESS)
        for family in families(rule)
    )
    ((group, _), count) = counted.most_common(1)[0]
    return group.removeprefix("production-").removesuffix("-id"), count


def mistakes(settings: dict[str, Any], **quotas: int) -> list[str]:
    overrides = aws_program.overrides(**settings)
    overrides["aws"]["quotas"] = quotas
    try:
        parse("production", raw("production", {"addons": None} | overrides))
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("name", CLUSTERS)
def test_as_many_inbound_rules_are_counted_as_are_registered(name: str) -> None:
    settings, expected = CLUSTERS[name]
    group, count = fullest(run(**settings))
    assert group == expected
    assert not mistakes(settings, rulesPerGroup=count)
    told = mistakes(settings, rulesPerGroup=count - 1)
    assert (
        f"{count} inbound rules in security group {group} — the quota is {count - 1} — "
        in "".join(told)
    )


@pytest.mark.parametrize("name", CLUSTERS)
def test_as_many_elastic_ips_are_counted_as_are_registered(name: str) -> None:
    settings, _ = CLUSTERS[name]
    count = len(run(**settings).of_type(ELASTIC))
    assert not mistakes(settings, addresses=count)
    if count > 1:
        (told,) = mistakes(settings, addresses=count - 1)
        assert told.startswith(f"aws.quotas.addresses: {count} Elastic IPs (")
