"""Closed namespaces: which policies are made for which settings, and what is refused."""

from typing import Any

import pytest

from components.addons.network_policies import NamespacePolicies, objects
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev
from tests.unit.stackfiles import raw


def specs(**written: Any) -> dict[str, dict[str, Any]]:
    made = objects("shop", NamespacePolicies.model_validate(written))
    return {name: body["spec"] for name, body in made.items()}


def lines(namespaces: dict[str, object], **k3s: object) -> list[str]:
    overrides = {
        "addons": {"networkPolicies": {"namespaces": namespaces}},
        "k3s": {"version": "v1.35.6+k3s1", **k3s},
    }
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", overrides))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_nobody_speaks_with_its_pods_and_they_ask_dns_alone() -> None:
    made = specs()
    assert set(made) == {"default-deny", "allow-dns"}
    assert made["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = made["allow-dns"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
    (pods,) = rule["to"]
    assert pods["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
    assert pods["namespaceSelector"] == namespace


def test_what_may_go_out_anyway_needs_no_way_to_dns() -> None:
    made = specs(deny=["ingress"])
    assert set(made) == {"default-deny"}
    assert made["default-deny"]["policyTypes"] == ["Ingress"]


def test_dns_is_a_choice() -> None:
    assert set(specs(dns=False)) == {"default-deny"}


def test_pods_of_the_namespace_may_be_let_speak_with_each_other() -> None:
    inside = specs(within=True)["allow-within"]
    assert inside["policyTypes"] == ["Ingress", "Egress"]
    assert inside["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert inside["egress"] == [{"to": [{"podSelector": {}}]}]
    assert "egress" not in specs(within=True, deny=["ingress"])["allow-within"]


def test_a_namespace_that_is_made_is_there_before_its_policies() -> None:
    namespaces = {"shop": {}, "default": {"create": False}}
    dev = run_dev({"addons": {"networkPolicies": {"namespaces": namespaces}}})
    deny = dev.resources["dev-shop-default-deny"]
    assert deny.type == "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    assert deny.inputs["metadata"] == {"name": "default-deny", "namespace": "shop"}
    assert "dev-shop-namespace" in deny.dependencies
    assert "dev-default-namespace" not in dev.resources
    assert "dev-default-allow-dns" in dev.resources


@pytest.mark.parametrize(
    ("namespaces", "start"),
    [
        ({"Shop": {}}, "addons.networkPolicies.namespaces.Shop: Shop — not a namespace's name"),
        (
            {"kube-system": {"create": False}},
            "addons.networkPolicies.namespaces.kube-system: kube-system — k3s's own parts would be",
        ),
        (
            {"default": {}},
            "addons.networkPolicies.namespaces.default.create: True — Kubernetes makes that",
        ),
        ({"shop": {"deny": []}}, "addons.networkPolicies.namespaces.shop.deny: [] — "),
        ({}, "addons.networkPolicies.namespaces: {} — "),
    ],
)
def test_what_cannot_work_is_told(namespaces: dict[str, object], start: str) -> None:
    found = lines(namespaces)
    assert any(line.startswith(start) for line in found), found


def test_policies_that_nobody_would_enforce_are_refused() -> None:
    (told,) = lines({"shop": {}}, flannelBackend="none")
    assert told.startswith("addons.networkPolicies: shop — with k3s.flannelBackend: none k3s")
