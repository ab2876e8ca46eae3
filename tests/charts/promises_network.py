"""What docs/addons/cni.md and cloud-controller.md promise of the real charts' objects."""

from collections.abc import Mapping
from typing import Any

from tests.charts.rendering import Rendered


def spec_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the pods of a workload are."""
    pods: Mapping[str, Any] = found["spec"]["template"]["spec"]
    return pods


def before_there_is_a_network(found: Mapping[str, Any]) -> bool:
    """Whether a workload runs on nodes that have none yet, and that a cloud has not told of."""
    taints = spec_of(found)["tolerations"]
    anything = [taint for taint in taints if taint["operator"] == "Exists" and "key" not in taint]
    return spec_of(found).get("hostNetwork") is True and bool(anything)


def calico_gives_k3ss_addresses_by_vxlan(found: Rendered) -> None:
    if found.case.settings["plugin"] == "calico":
        network = found.one("Installation")["spec"]["calicoNetwork"]
        (pool,) = network["ipPools"]
        assert (pool["cidr"], pool["encapsulation"]) == ("10.42.0.0/16", "VXLAN")
        assert network["bgp"] == "Disabled"
        assert network["nodeAddressAutodetectionV4"] == {"kubernetes": "NodeInternalIP"}
        assert before_there_is_a_network(found.one("Deployment", "tigera-operator"))


def cilium_is_told_what_was_chosen(found: Rendered) -> None:
    settings = found.case.settings
    if settings["plugin"] == "cilium":
        told = found.one("ConfigMap", "cilium-config")["data"]
        assert (told["routing-mode"], told["tunnel-protocol"]) == ("tunnel", "vxlan")
        assert told["ipam"] == "kubernetes"
        proxy = "kubeProxyReplacement" in settings
        assert told["kube-proxy-replacement"] == str(proxy).lower()
        assert told.get("enable-wireguard", "false") == str("encryption" in settings).lower()
        assert before_there_is_a_network(found.one("DaemonSet", "cilium"))
        assert before_there_is_a_network(found.one("Deployment", "cilium-operator"))


def who_speaks_with_whom_is_shown_where_it_is_asked_for(found: Rendered) -> None:
    interfaces = {o["metadata"]["name"] for o in found.of_kind("Deployment")} & {"hubble-ui"}
    shown = bool(interfaces or found.of_kind("Whisker"))
    assert shown is ("flows" in found.case.settings)


def awss_controller_runs_on_servers_before_there_is_a_network(found: Rendered) -> None:
    controller = found.one("DaemonSet", "aws-cloud-controller-manager")
    assert before_there_is_a_network(controller)
    servers = {"node-role.kubernetes.io/control-plane": "true"}
    assert spec_of(controller)["nodeSelector"] == servers
    assert "--configure-cloud-routes=false" in spec_of(controller)["containers"][0]["args"]


PROMISES = {
    "cni": (
        calico_gives_k3ss_addresses_by_vxlan,
        cilium_is_told_what_was_chosen,
        who_speaks_with_whom_is_shown_where_it_is_asked_for,
    ),
    "cloudController": (awss_controller_runs_on_servers_before_there_is_a_network,),
}
