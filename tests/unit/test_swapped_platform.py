"""A stack file with another platform: sizes and region aside, nothing else need be written."""

import difflib
from typing import Any

import pytest

from tests.unit import masks, readable, recordings
from tests.unit.recorder import Recording
from tests.unit.stackfiles import config_of

AWS = {"region": "eu-central-1", "images": {"amd64": "ami-0e872aee57663ae2d"}}
SWAPPED: dict[str, dict[str, Any]] = {
    "staging": {"platform": "aws", "aws": AWS, "digitalocean": None},
    "production": {"platform": "digitalocean", "digitalocean": {"region": "fra1"}, "aws": None},
}


@pytest.mark.parametrize("stack", SWAPPED)
def test_another_platform_makes_the_same_nodes_of_its_own_kind(stack: str) -> None:
    before, after = recordings.of(stack), recordings.of(stack, SWAPPED[stack])
    machines = {
        "aws": "aws:ec2/instance:Instance",
        "digitalocean": "digitalocean:index/droplet:Droplet",
    }
    here, there = machines[_platform(stack)], machines[SWAPPED[stack]["platform"]]
    made = {resource.name for resource in after.of_type(there)}
    assert made == {resource.name for resource in before.of_type(here)}
    assert not after.of_type(here)
    assert [n["name"] for n in after.outputs["nodes"]] == [
        n["name"] for n in before.outputs["nodes"]
    ]


@pytest.mark.parametrize("stack", SWAPPED)
def test_what_k3s_is_told_is_the_same_but_for_addresses(stack: str) -> None:
    before = _text(recordings.of(stack))
    after = _text(recordings.of(stack, SWAPPED[stack]))
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=8)
    difference = "\n".join(lines)
    assert not difference, difference


@pytest.mark.parametrize("stack", SWAPPED)
def test_masks_hide_addresses_and_nothing_else(stack: str) -> None:
    """Settings of k3s, roles, labels and taints of the user's own still show."""
    text = _text(recordings.of(stack))
    for told in ("v1.35.6+k3s1", "10.42.0.0/16", "ROLE: agent", "node-ip: «private of"):
        assert told in text, told
    addresses = [
        a for n in recordings.of(stack).outputs["nodes"] for a in n["addresses"]["private"]
    ]
    assert not [address for address in addresses if address in text]
    other = {"k3s": {"version": "v1.35.6+k3s1", "clusterCidr": "10.99.0.0/16"}}
    assert _text(recordings.of(stack, other)) != text


def test_labels_and_taints_of_a_group_go_along_to_the_other_cloud() -> None:
    after = masks.steps(recordings.of("production", SWAPPED["production"]))
    step = after["production-storage-1-install"]["inputs"]["stdin (secret)"]["variables"]
    assert "- storage=yes\n" in step["LABELS_CONFIG"]
    assert "- storage=yes:PreferNoSchedule\n" in step["LABELS_CONFIG"]


def _text(recording: Recording) -> str:
    return readable.dumped(masks.steps(recording))


def _platform(stack: str) -> str:
    return config_of(stack)["k3s:platform"]
