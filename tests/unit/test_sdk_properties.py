"""Every input that the program registers is one that the pinned SDK has."""

import re

import pytest

from tests.unit import recordings, sdk
from tests.unit.recorder import Registration


def of_an_sdk(stack: str) -> list[Registration]:
    made = [r for r in recordings.of(stack).registrations if r.request.custom]
    return [resource for resource in made if not comes_with_a_chart(resource.type)]


def comes_with_a_chart(token: str) -> bool:
    """A kind that a chart defines: to the SDK one is as good as another."""
    package, module, _ = token.split(":")
    group = module.partition("/")[0]
    return package == "kubernetes" and "." in group and not group.endswith(("k8s.io", "helm.sh"))


@pytest.mark.parametrize("stack", ["dev", "staging", "production", "hybrid"])
def test_every_input_is_a_property_of_the_pinned_sdk(stack: str) -> None:
    made = of_an_sdk(stack)
    strange = {f"{r.type} {r.name}": sdk.strangers(r.type, r.inputs) for r in made}
    assert not {name: paths for name, paths in strange.items() if paths}


def test_objects_of_charts_kinds_have_what_every_object_has() -> None:
    found = [r for r in recordings.of("staging").registrations if comes_with_a_chart(r.type)]
    assert [r.inputs["kind"] for r in found] == ["ClusterIssuer"]
    assert all(set(r.inputs) == {"apiVersion", "kind", "metadata", "spec"} for r in found)


@pytest.mark.parametrize("stack", ["staging", "production", "hybrid"])
def test_only_properties_of_the_pinned_sdk_are_ignored_replaced_on_or_hidden(stack: str) -> None:
    for resource in of_an_sdk(stack):
        request = resource.request
        paths = [*request.ignoreChanges, *request.replaceOnChanges]
        named = {re.split(r"[.\[]", path)[0] for path in paths}
        known = sdk.properties(resource.type)
        assert named <= known, resource.name
        outputs = sdk.outputs(resource.type)
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
