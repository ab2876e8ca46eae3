"""The packaged Traefik: told of its values, opened to the internet, or left out."""

import pytest
import yaml

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit import recordings
from tests.unit.stackfiles import raw

K3S = {"version": "v1.35.6+k3s1"}


def profiles(stack: str, ingress: dict[str, object] | None) -> tuple[str, ...]:
    settings = parse(stack, raw(stack, {"addons": {"ingress": ingress}, "k3s": K3S}))
    return tuple(settings.firewall_facts(stack).profiles)


def lines(ingress: dict[str, object], disable: list[str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(
            "dev", raw("dev", {"addons": {"ingress": ingress}, "k3s": {**K3S, "disable": disable}})
        )
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_traefik_is_told_of_the_gateway_api_and_of_values_of_ones_own() -> None:
    written = {"gatewayApi": True, "values": {"logs": {"access": {"enabled": True}}}}
    dev = recordings.of("dev", {"addons": {"ingress": written}, "k3s": K3S})
    told = dev.resources["dev-traefik-values"]
    assert told.type == "kubernetes:helm.cattle.io/v1:HelmChartConfig"
    assert told.inputs["metadata"] == {"name": "traefik", "namespace": "kube-system"}
    assert yaml.safe_load(told.inputs["spec"]["valuesContent"]) == {
        "providers": {"kubernetesGateway": {"enabled": True}},
        "gateway": {"listeners": {"web": {"namespacePolicy": {"from": "All"}}}},
        "logs": {"access": {"enabled": True}},
    }


def test_traefik_as_k3s_has_it_is_told_of_nothing() -> None:
    dev = recordings.of("dev", {"addons": {"ingress": {}}, "k3s": K3S})
    assert "dev-traefik-values" not in dev.resources
    assert "traefik" not in dev.resources["dev-server-1-install"].inputs["stdin"]


def test_left_out_it_is_not_installed_and_makes_nothing() -> None:
    dev = recordings.of("dev", {"addons": {"ingress": {"enabled": False}}, "k3s": K3S})
    config = dev.resources["dev-server-1-install"].inputs["stdin"]
    assert "disable:\n- traefik\n" in config
    assert "k3s:addons:Ingress" not in {resource.type for resource in dev.registrations}


def test_the_internet_reaches_nodes_where_it_is_chosen_and_there_alone() -> None:
    assert "ingress" in profiles("staging", {})
    assert "ingress" not in profiles("staging", {"enabled": False})
    assert "ingress" not in profiles("staging", None)


@pytest.mark.parametrize(
    ("ingress", "disable", "start"),
    [
        (
            {"enabled": False, "gatewayApi": True},
            [],
            "addons.ingress: gatewayApi or values — enabled is false",
        ),
        ({}, ["traefik"], "addons.ingress: enabled: true — k3s.disable leaves traefik out"),
        ({"gatewayAPI": True}, [], "addons.ingress.gatewayAPI: True — there is no such setting"),
    ],
)
def test_what_cannot_work_is_told(
    ingress: dict[str, object], disable: list[str], start: str
) -> None:
    found = lines(ingress, disable)
    assert any(line.startswith(start) for line in found), found
