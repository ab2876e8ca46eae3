"""MetalLB: what is put into the cluster for which settings, and what is refused."""

import ipaddress

import pytest
import yaml

from components.addons.metallb import MetallbSettings, chart_values, custom_resources
from components.platforms.local.settings import LocalSettings, address
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw

RANGE = "10.121.0.2-10.121.0.9"
POOLS = {"main": {"addresses": [RANGE]}}
BGP = {"asn": 64512, "peers": {"tor": {"address": "10.0.0.1", "asn": 64500}}}


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run_dev({"addons": {"metallb": {"pools": POOLS}}})


def lines(stack: str, metallb: dict[str, object]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw(stack, {"addons": {"metallb": metallb}}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_its_objects_wait_for_the_release_and_for_the_webhook(dev: Recording) -> None:
    for name in ("dev-metallb-pool-main", "dev-metallb-l2"):
        assert {"dev-metallb", "dev-metallb-webhook"} <= dev.resources[name].dependencies
    assert "dev-metallb" in dev.resources["dev-metallb-webhook"].dependencies


def test_the_webhook_is_asked_about_the_objects_that_will_be_made(dev: Recording) -> None:
    step = dev.resources["dev-metallb-webhook"]
    text = step.inputs["stdin"].split("OBJECTS='")[1].split("'")[0]
    assert [body["kind"] for body in yaml.safe_load_all(text)] == [
        *("IPAddressPool", "L2Advertisement"),
    ]


def test_the_chart_is_pinned_and_k3s_own_balancer_is_off(dev: Recording) -> None:
    release = dev.resources["dev-metallb"]
    assert release.inputs["chart"] == "metallb"
    assert release.inputs["version"] == "0.16.1"
    assert release.inputs["repositoryOpts"] == {"repo": "https://metallb.github.io/metallb"}
    assert "servicelb" in dev.resources["dev-server-1-install"].inputs["stdin"]


@pytest.mark.parametrize(
    ("source", "chart", "repository"),
    [
        ({"from": "mirror", "url": "https://charts.example"}, "metallb", "https://charts.example"),
        (
            {"from": "mirror", "url": "oci://registry.example/charts"},
            "oci://registry.example/charts/metallb",
            None,
        ),
    ],
)
def test_charts_come_from_a_mirror_of_either_kind(
    source: dict[str, str], chart: str, repository: str | None
) -> None:
    recording = run_dev({"addons": {"charts": source, "metallb": {"pools": POOLS}}})
    inputs = recording.resources["dev-metallb"].inputs
    assert inputs["chart"] == chart
    assert inputs.get("repositoryOpts") == (repository and {"repo": repository})


def test_what_is_in_the_cluster_goes_with_the_cluster(dev: Recording) -> None:
    for name in ("dev-metallb", "dev-metallb-pool-main", "dev-metallb-system-namespace"):
        assert dev.resources[name].request.deletedWith.endswith("k3s:cluster:K3s::dev")


def test_devs_pool_is_in_its_network_and_can_never_meet_a_node() -> None:
    settings = parse("dev", raw("dev"))
    assert settings.addons.metallb
    (pool,) = settings.addons.metallb.pools.values()
    (given,) = pool.addresses
    first, last = (ipaddress.IPv4Address(end) for end in given.split("-"))
    network = LocalSettings().public_cidr
    # The network's own address and the bridge's come before it, what names can lead to after it.
    lowest = min(address(network, f"node-{n}") for n in range(2**18))
    assert lowest == network[10]
    assert network[1] < first < last < lowest


def test_nodes_let_its_speakers_hear_each_other() -> None:
    settings = parse("dev", raw("dev", {"addons": {"metallb": {"pools": POOLS}}}))
    assert "metallb" in settings.firewall_facts("dev").profiles


def test_layer_2_needs_no_frr_and_bgp_brings_its_peers() -> None:
    plain = MetallbSettings.model_validate({"pools": POOLS})
    assert chart_values(plain)["frrk8s"] == {"enabled": False}
    assert set(custom_resources(plain)) == {"pool-main", "l2"}
    routed = MetallbSettings.model_validate({"pools": POOLS, "mode": "bgp", "bgp": BGP})
    assert chart_values(routed)["frrk8s"] == {"enabled": True}
    objects = custom_resources(routed)
    assert set(objects) == {"pool-main", "peer-tor", "bgp"}
    assert objects["peer-tor"]["spec"] == {
        "myASN": 64512,
        "peerASN": 64500,
        "peerAddress": "10.0.0.1",
    }


def test_values_of_ones_own_are_merged_last() -> None:
    values = {"speaker": {"logLevel": "debug"}}
    recording = run_dev({"addons": {"metallb": {"pools": POOLS, "values": values}}})
    assert recording.resources["dev-metallb"].inputs["values"]["speaker"] == {
        "frr": {"enabled": False},
        "logLevel": "debug",
    }


@pytest.mark.parametrize(
    ("stack", "metallb", "start"),
    [
        ("staging", {"pools": POOLS}, "addons.metallb: l2 — digitalocean carries no addresses"),
        ("production", {"pools": POOLS}, "addons.metallb: l2 — aws carries no addresses"),
        ("dev", {}, "addons.metallb.pools: nothing — it is needed — write pools by name"),
        (
            "dev",
            {"pools": {"main": {"addresses": ["10.1.0.9-10.1.0.1"]}}},
            "addons.metallb.pools.main.addresses: 10.1.0.9-10.1.0.1 — neither a CIDR nor a range",
        ),
        (
            "dev",
            {"pools": {"main": {"addresses": ["10.1.0.9"]}}},
            "addons.metallb.pools.main.addresses: 10.1.0.9 — neither a CIDR nor a range",
        ),
        (
            "dev",
            {"pools": {"main": {"addresses": ["10.1.0.0/255.255.255.0"]}}},
            "addons.metallb.pools.main.addresses: 10.1.0.0/255.255.255.0 — neither a CIDR",
        ),
        ("dev", {"pools": POOLS, "mode": "bgp"}, "addons.metallb.bgp: nothing — mode is bgp"),
        ("dev", {"pools": POOLS, "bgp": BGP}, "addons.metallb.bgp: an object — mode is l2"),
        ("dev", {"pools": POOLS, "vlaues": {}}, "addons.metallb.vlaues: {} — there is no such"),
    ],
)
def test_what_cannot_work_is_told(stack: str, metallb: dict[str, object], start: str) -> None:
    found = lines(stack, metallb)
    assert any(line.startswith(start) for line in found), found
