"""Every input that the program registers is one that the pinned SDK has."""

import re

import pytest

from tests.unit import recordings, sdk


@pytest.mark.parametrize("stack", ["dev", "staging", "production", "hybrid"])
def test_every_input_is_a_property_of_the_pinned_sdk(stack: str) -> None:
    made = [r for r in recordings.of(stack).registrations if r.request.custom]
    strange = {f"{r.type} {r.name}": sdk.strangers(r.type, r.inputs) for r in made}
    assert not {name: paths for name, paths in strange.items() if paths}


@pytest.mark.parametrize("stack", ["staging", "production", "hybrid"])
def test_only_properties_of_the_pinned_sdk_are_ignored_replaced_on_or_hidden(stack: str) -> None:
    for resource in recordings.of(stack).registrations:
        request = resource.request
        paths = [*request.ignoreChanges, *request.replaceOnChanges]
        named = {re.split(r"[.\[]", path)[0] for path in paths}
        known = sdk.properties(resource.type) if request.custom else set()
        assert named <= known, resource.name
        outputs = sdk.outputs(resource.type) if request.custom else set()
        assert set(request.additionalSecretOutputs) <= known | outputs, resource.name


@pytest.mark.parametrize(
    ("token", "inputs", "strange"),
    [
        ("aws:ec2/instance:Instance", {"imageId": "ami-1"}, ["imageId"]),
        (
            "aws:ec2/instance:Instance",
            {"metadataOptions": {"httpTokens": "required", "hopLimit": 1}},
            ["metadataOptions.hopLimit"],
        ),
        (
            "digitalocean:index/firewall:Firewall",
            {"inboundRules": [{"protocol": "tcp"}, {"ports": "22"}]},
            ["inboundRules[1].ports", "inboundRules[1].protocol is missing"],
        ),
        ("tls:index/privateKey:PrivateKey", {}, ["algorithm is missing"]),
    ],
)
def test_a_property_that_no_sdk_has_is_found_however_deep(
    token: str, inputs: dict[str, object], strange: list[str]
) -> None:
    assert sdk.strangers(token, inputs) == strange


def test_a_type_that_no_sdk_has_is_told() -> None:
    with pytest.raises(LookupError, match="digitalocean:index/dropplet:Dropplet"):
        sdk.arguments("digitalocean:index/dropplet:Dropplet")
