"""Objects that add-ons make without a chart, as a real API server takes them."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.addons import ingress
from components.addons.ingress import IngressSettings
from components.addons.network_policies import NamespacePolicies, objects
from lab.engine.values import secret
from tests.lab.kubernetes_cluster import Cluster
from tests.lab.plugin_host import Plugin, running

pytestmark = pytest.mark.nodes

NAMESPACE = "kubernetes:core/v1:Namespace"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CHART_CONFIG = "kubernetes:helm.cattle.io/v1:HelmChartConfig"
SHOP = "closed-shop"


@pytest.fixture(scope="module")
def plugin(cluster: Cluster) -> Iterator[Plugin]:
    with running("kubernetes") as started:
        started.configure({"kubeconfig": secret(cluster.kubeconfig)})
        own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}
        started.make(NAMESPACE, own)  # it goes with the cluster
        yield started


def stored(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("networkpolicies", "--namespace", SHOP)
    items = found["items"] if found else []
    return {item["metadata"]["name"]: item["spec"] for item in items}


def test_policies_are_kept_as_they_were_written(plugin: Plugin, cluster: Cluster) -> None:
    written = objects(SHOP, NamespacePolicies(within=True))
    made = {name: plugin.make(POLICY, body) for name, body in written.items()}
    assert stored(cluster) == {name: body["spec"] for name, body in written.items()}
    for name, state in made.items():
        plugin.delete(POLICY, state, f"{SHOP}/{name}")
    assert stored(cluster) == {}


def test_the_clusters_dns_has_the_labels_that_the_policy_names(cluster: Cluster) -> None:
    (rule,) = objects(SHOP, NamespacePolicies())["allow-dns"]["spec"]["egress"]
    (to,) = rule["to"]
    labels = [
        ",".join(f"{key}={value}" for key, value in to[part]["matchLabels"].items())
        for part in ("namespaceSelector", "podSelector")
    ]
    namespaces = cluster.names("namespaces", "--selector", labels[0])
    assert namespaces == {"namespace/kube-system"}
    assert cluster.names("pods", "--namespace", "kube-system", "--selector", labels[1])


def test_traefiks_values_are_kept_where_k3s_looks_for_them(
    plugin: Plugin, cluster: Cluster
) -> None:
    settings = IngressSettings(gateway_api=True, values={"logs": {"general": {"level": "INFO"}}})
    written = ingress.helm_chart_config(ingress.chart_values(settings))
    made = plugin.make(CHART_CONFIG, written)
    found = cluster.get("helmchartconfigs", "traefik", "--namespace", "kube-system")
    values = yaml.safe_load(found["spec"]["valuesContent"])
    assert values["providers"] == {"kubernetesGateway": {"enabled": True}}
    assert values["logs"] == {"general": {"level": "INFO"}}
    plugin.delete(CHART_CONFIG, made, "kube-system/traefik")
    assert not cluster.get("helmchartconfigs", "traefik", "--namespace", "kube-system")
