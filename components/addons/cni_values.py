"""What Calico's and Cilium's charts are told.

Sources: https://docs.tigera.io/calico/latest/reference/installation/api and
https://docs.cilium.io/en/stable/helm-reference. The charts' own folders are left as they are: with
flannel off, k3s names none to containerd, which by itself looks where the charts put plugin and
configuration, in /opt/cni/bin and /etc/cni/net.d.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol

from components.addons.charts import Chart
from components.k3s.settings import K3sSettings

VERSIONS: Mapping[str, str] = {"calico": "v3.32.1", "cilium": "1.20.0"}
_CALICO = "https://docs.tigera.io/calico/charts"
# Since v3.32 apart from the operator's chart: Helm would never upgrade what lies in its crds/.
CALICO_CRDS = Chart(
    name="crd.projectcalico.org.v1",
    repository=_CALICO,
    values=None,
    only=("plugin", "calico"),
)
CALICO = Chart(name="tigera-operator", repository=_CALICO, only=("plugin", "calico"))
CILIUM = Chart(name="cilium", repository="https://helm.cilium.io", only=("plugin", "cilium"))

# Addresses are handed to nodes by blocks of 64, Calico's own size.
_BLOCKS = {4: 26, 6: 122}
_WITHOUT_KUBE_PROXY: Mapping[str, Any] = {
    # On every node, servers too, k3s answers there for the API.
    "k8sServiceHost": "127.0.0.1",
    "k8sServicePort": 6444,
    # Where a cloud's balancers ask kube-proxy whether a node takes traffic.
    "kubeProxyReplacementHealthzBindAddr": "0.0.0.0:10256",
}
# The annotation by which one of Calico's nodes tells the others that it encrypts.
_CALICO_KEY = "projectcalico.org/WireguardPublicKey"
# The plugin's workloads, one a line after its namespace.
WORKLOADS: Mapping[str, str] = {
    "calico": "tigera-operator deployment/tigera-operator\ncalico-system daemonset/calico-node",
    "cilium": "kube-system deployment/cilium-operator\nkube-system daemonset/cilium",
}

_BY_VXLAN = "leave it out: pods' traffic goes by VXLAN"
# Values that settings say, and what to write instead.
SAID_BY_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "calico": {
        "installation.calicoNetwork.bgp": _BY_VXLAN,
        "installation.calicoNetwork.ipPools": "leave it out: they are k3s.clusterCidr",
        "installation.calicoNetwork.linuxDataplane": "leave it out: kube-proxy serves Services",
        "defaultFelixConfiguration.wireguardEnabled": "write encryption: wireguard",
        "defaultFelixConfiguration.wireguardEnabledV6": "write encryption: wireguard",
    },
    "cilium": {
        "routingMode": _BY_VXLAN,
        "tunnelProtocol": _BY_VXLAN,
        "tunnelPort": _BY_VXLAN,
        "ipam": "leave it out: nodes' ranges of k3s.clusterCidr are Kubernetes's",
        "ipv6.enabled": "write k3s.clusterCidrIpv6 and k3s.serviceCidrIpv6",
        "encryption": "write encryption: wireguard",
        "kubeProxyReplacement": "write kubeProxyReplacement: true beside plugin",
        "bpf.hostLegacyRouting": "leave it out: pods are kept from the cloud's metadata by it",
    },
}


class Chosen(Protocol):
    """What of the settings decides."""

    @property
    def encryption(self) -> str: ...
    @property
    def kube_proxy_replacement(self) -> bool: ...
    @property
    def flows(self) -> bool: ...


def calico_values(chosen: Chosen, k3s: K3sSettings, *, nodes: int) -> dict[str, Any]:
    """Of the operator's chart; `nodes` is how many there are."""
    families = {4: k3s.cluster_cidr, 6: k3s.cluster_cidr_ipv6 if k3s.dual_stack else None}
    pools = [_pool(cidr) for cidr in families.values() if cidr is not None]
    by_kubernetes = {"kubernetes": "NodeInternalIP"}
    values: dict[str, Any] = {
        "installation": {
            "calicoNetwork": {
                "bgp": "Disabled",
                "ipPools": pools,
                # By itself it takes the first card, which on many a machine leads outside.
                "nodeAddressAutodetectionV4": by_kubernetes,
                **({"nodeAddressAutodetectionV6": by_kubernetes} if k3s.dual_stack else {}),
                "containerIPForwarding": "Enabled",
            },
            "controlPlaneReplicas": min(nodes, 2),
            "flexVolumePath": "None",
            "kubeletVolumePluginPath": "None",
        },
        "goldmane": {"enabled": chosen.flows},
        "whisker": {"enabled": chosen.flows},
    }
    if chosen.encryption == "wireguard":
        values["defaultFelixConfiguration"] = {
            "enabled": True,
            "wireguardEnabled": True,
            **({"wireguardEnabledV6": True} if k3s.dual_stack else {}),
        }
    return values


def _pool(cidr: IPv4Network | IPv6Network) -> dict[str, Any]:
    return {
        "cidr": str(cidr),
        "encapsulation": "VXLAN",
        "natOutgoing": "Enabled",
        "nodeSelector": "all()",
        "blockSize": _BLOCKS[cidr.version],
    }


def cilium_values(chosen: Chosen, k3s: K3sSettings, *, nodes: int) -> dict[str, Any]:
    """`nodes` is how many there are: of the operator's pods no two may be on one."""
    return {
        "ipam": {"mode": "kubernetes"},
        "k8s": {"requireIPv4PodCIDR": True, "requireIPv6PodCIDR": k3s.dual_stack},
        "ipv6": {"enabled": k3s.dual_stack},
        "routingMode": "tunnel",
        "tunnelProtocol": "vxlan",
        # Past netfilter, pods would pass the guard of the cloud's metadata, too.
        "bpf": {"hostLegacyRouting": True},
        "kubeProxyReplacement": chosen.kube_proxy_replacement,
        **(_WITHOUT_KUBE_PROXY if chosen.kube_proxy_replacement else {}),
        "encryption": {"enabled": chosen.encryption == "wireguard", "type": "wireguard"},
        "operator": {"replicas": min(nodes, 2), "tolerations": [{"operator": "Exists"}]},
        "hubble": {
            "enabled": chosen.flows,
            "relay": {"enabled": chosen.flows},
            "ui": {"enabled": chosen.flows},
        },
    }


def sign(plugin: str, chosen: Chosen) -> str:
    """An annotation that each node has once its traffic is encrypted; empty where none is asked.

    Without WireGuard in the kernel Calico goes on in clear, and says so in a log alone; Cilium does
    not start.
    """
    return _CALICO_KEY if plugin == "calico" and chosen.encryption == "wireguard" else ""
