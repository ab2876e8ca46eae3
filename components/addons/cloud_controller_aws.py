"""What AWS's charts are told. The reasons are in docs/addons/cloud-controller.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.addons.charts import Chart
from components.platforms.machine import Machine
from components.topology import REGION_LABEL

CONTROLLER = Chart(
    name="aws-cloud-controller-manager",
    repository="https://kubernetes.github.io/cloud-provider-aws",
    platform="aws",
)
CSI = Chart(
    name="aws-ebs-csi-driver",
    repository="https://kubernetes-sigs.github.io/aws-ebs-csi-driver",
    setting="csi_version",
    values="csi_values",
    only=("csi", True),
    platform="aws",
)
DRIVER = "ebs.csi.aws.com"
STORAGE_CLASS = "ebs-gp3"
# As k3s labels servers, on which controllers have the instances' permissions.
ON_SERVERS = {"node-role.kubernetes.io/control-plane": "true"}
# Whatever taints nodes have: without these nobody else runs.
EVERYWHERE = [{"operator": "Exists"}]
CONTROLLER_WORKLOAD = "daemonset/aws-cloud-controller-manager"
CSI_CONTROLLER = "ebs-csi-controller"
CSI_IN_THE_HOSTS_NETWORK = (f"deployment/{CSI_CONTROLLER}",)
CSI_WORKLOADS = (*CSI_IN_THE_HOSTS_NETWORK, "daemonset/ebs-csi-node")
LOGS = "k8s-app=aws-cloud-controller-manager"
_ROOT_DISKS = 1
_APART = {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {
            "labelSelector": {"matchLabels": {"app": CSI_CONTROLLER}},
            "topologyKey": "kubernetes.io/hostname",
        }
    ]
}


def controller_values(cluster: str) -> dict[str, Any]:
    """In the host's network, where its credentials are and where no network plugin is needed."""
    return {
        "args": [
            "--v=2",
            "--cloud-provider=aws",
            f"--cluster-name={cluster}",
            # Pods' routes are flannel's, or the network plugin's.
            "--configure-cloud-routes=false",
            "--bind-address=127.0.0.1",
        ],
        "hostNetworking": True,
        "nodeSelector": ON_SERVERS,
        "tolerations": EVERYWHERE,
    }


def csi_values(cluster: str, machines: Sequence[Machine]) -> dict[str, Any]:
    """The controller on servers; on every node what mounts, which asks the API where it is."""
    servers = [machine for machine in machines if machine.role == "server"]
    return {
        "controller": {
            "region": servers[0].topology[REGION_LABEL],
            "k8sTagClusterId": cluster,
            # Two of them cannot be on one host: they are in its network, and share its ports.
            "replicaCount": min(2, len(servers)),
            "affinity": {"podAntiAffinity": _APART},
            "nodeSelector": ON_SERVERS,
            "tolerations": EVERYWHERE,
        },
        "node": {
            "metadataSources": "kubernetes",
            # By the API it cannot tell which places at an instance are taken.
            "reservedVolumeAttachments": _ROOT_DISKS + max(len(m.disks) for m in machines),
            "enableWindows": False,
        },
        "helmTester": {"enabled": False},
    }


def in_the_hosts_network() -> Mapping[str, Any]:
    """Of the CSI controller: the chart has no value for it, and pods cannot reach credentials."""
    return {"template": {"spec": {"hostNetwork": True}}}


def parameters() -> dict[str, str]:
    """Of the storage class."""
    return {"type": "gp3", "encrypted": "true", "csi.storage.k8s.io/fstype": "ext4"}
