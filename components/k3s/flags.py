"""k3s's own flags, by their names in config.yaml: who takes them, and what is written elsewhere.

Sources: https://docs.k3s.io/cli/server, https://docs.k3s.io/cli/agent, and for hidden ones
https://github.com/k3s-io/k3s/tree/master/pkg/cli/cmds. A name that stands in no table may be one of
a newer release, and is handed on.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Elsewhere:
    """Why a flag is no option of a node, and what is written instead."""

    why: str
    write: str


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What `k3s agent` takes; `k3s server` takes them too.
EVERYWHERE = _names(
    "alsologtostderr bind-address config container-runtime-endpoint data-dir debug default-runtime "
    "disable-default-registry-endpoint docker enable-pprof flannel-cni-conf flannel-conf "
    "flannel-iface image-credential-provider-bin-dir image-credential-provider-config "
    "image-service-endpoint kube-proxy-arg kubelet-arg lb-server-port log node-external-dns "
    "node-external-ip node-internal-dns node-ip node-label node-name node-taint nonroot-devices "
    "pause-image prefer-bundled-bin private-registry protect-kernel-defaults resolv-conf rootless "
    "selinux server snapshotter token token-file v vmodule vpn-auth vpn-auth-file "
    "with-node-id"
)
# What `k3s server` alone takes.
SERVERS = _names(
    "advertise-address advertise-port agent-token agent-token-file cluster-cidr cluster-dns "
    "cluster-domain cluster-init cluster-reset cluster-reset-restore-path datastore-cafile "
    "datastore-certfile datastore-endpoint datastore-keyfile default-local-storage-path disable "
    "disable-agent disable-apiserver disable-cloud-controller disable-controller-manager "
    "disable-etcd disable-helm-controller disable-kube-proxy disable-network-policy "
    "disable-scheduler egress-selector-mode embedded-registry etcd-arg etcd-disable-snapshots "
    "etcd-expose-metrics etcd-s3 etcd-s3-access-key etcd-s3-bucket etcd-s3-config-secret "
    "etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-insecure etcd-s3-proxy "
    "etcd-s3-region etcd-s3-secret-key etcd-s3-skip-ssl-verify etcd-s3-timeout "
    "etcd-snapshot-compress etcd-snapshot-dir etcd-snapshot-name etcd-snapshot-retention "
    "etcd-snapshot-schedule-cron flannel-backend flannel-external-ip flannel-ipv6-masq "
    "helm-job-image https-listen-port kube-apiserver-arg kube-cloud-controller-manager-arg "
    "kube-controller-manager-arg kube-scheduler-arg secrets-encryption "
    "secrets-encryption-provider service-cidr service-node-port-range servicelb-namespace "
    "supervisor-metrics system-default-registry tls-san tls-san-security write-kubeconfig "
    "write-kubeconfig-group write-kubeconfig-mode"
)
# Of these every server must have the same: https://docs.k3s.io/cli/server#critical-configuration-values.
# The others of that page are settings of their own, below.
CRITICAL = _names(
    "cluster-domain disable-helm-controller disable-network-policy egress-selector-mode "
    "secrets-encryption-provider"
)

_JOINING = Elsewhere("the program says where and with what a node joins", "leave it out")
_ADDRESS = Elsewhere(
    "a node's addresses are those of its machine",
    "leave it out (an existing host's stand in existing.hosts)",
)
_PORT = Elsewhere("the API is at port 6443, in the firewall too", "leave it out")
_ETCD = Elsewhere("the datastore is embedded etcd on the servers", "leave it out")
_WHOLE = Elsewhere(
    "a server runs all of etcd, API, controllers and kubelet: the steps wait for each of them",
    "leave it out (taints in the group keep pods away)",
)
_KUBECONFIG = Elsewhere(
    "the steps read it in its own place, and root alone is to", "leave it out; see make kubeconfig"
)
_IN_CLEAR = "who reads the stack file could use it"
_CONTAINERD = Elsewhere("images are handed to k3s's own containerd, as root", "leave it out")

ELSEWHERE: Mapping[str, Elsewhere] = {
    **dict.fromkeys(("server", "token", "token-file", "agent-token", "agent-token-file"), _JOINING),
    **dict.fromkeys(("cluster-init", "cluster-reset", "cluster-reset-restore-path"), _JOINING),
    **dict.fromkeys(("node-name", "with-node-id"), Elsewhere(
        "a node's name comes from its stack, group and place", "rename the group, or write nodes")),
    **dict.fromkeys(("node-ip", "node-external-ip", "advertise-address"), _ADDRESS),
    **dict.fromkeys(("flannel-iface", "bind-address"), _ADDRESS),
    **dict.fromkeys(("https-listen-port", "advertise-port"), _PORT),
    "node-label": Elsewhere("labels are changed in place", "write labels in the group"),
    "node-taint": Elsewhere("taints are changed in place", "write taints in the group"),
    "kubelet-arg": Elsewhere("the program has arguments of its own", "write kubeletArgs"),
    "tls-san": Elsewhere("the certificate has names of its own", "write k3s.tlsSan"),
    "cluster-cidr": Elsewhere("it is a setting", "write k3s.clusterCidr, k3s.clusterCidrIpv6"),
    "service-cidr": Elsewhere("it is a setting", "write k3s.serviceCidr, k3s.serviceCidrIpv6"),
    "cluster-dns": Elsewhere("it is the tenth address of k3s.serviceCidr", "leave it out"),
    "service-node-port-range": Elsewhere(
        "the rows of the firewall are for ports 30000-32767", "leave it out"),
    "flannel-backend": Elsewhere("it is a setting", "write k3s.flannelBackend, or addons.cni"),
    "flannel-external-ip": Elsewhere("it follows from where nodes are", "leave it out"),
    "flannel-ipv6-masq": Elsewhere("it follows from k3s.clusterCidrIpv6", "leave it out"),
    "disable": Elsewhere("it is a setting", "write k3s.disable"),
    "disable-kube-proxy": Elsewhere("it is a setting", "write k3s.kubeProxy: false"),
    "disable-cloud-controller": Elsewhere(
        "it is a setting", "write k3s.cloudController: external, or addons.cloudController"),
    "embedded-registry": Elsewhere(
        "the firewall has rows for it", "write k3s.embeddedRegistry: true"),
    "secrets-encryption": Elsewhere("it is a setting", "write k3s.secretsEncryption"),
    "supervisor-metrics": Elsewhere(
        "agents would listen at port 6443 too, and the firewall has no row for that",
        "leave it out"),
    "lb-server-port": Elsewhere("network plugins reach the API at port 6444", "leave it out"),
    "data-dir": Elsewhere("the steps look in /var/lib/rancher/k3s", "leave it out"),
    "config": Elsewhere("the steps write /etc/rancher/k3s/config.yaml", "leave it out"),
    **dict.fromkeys(
        (f"datastore-{end}" for end in ("endpoint", "cafile", "certfile", "keyfile")), _ETCD),
    **dict.fromkeys(
        (f"disable-{part}" for part in ("agent", "apiserver", "controller-manager", "etcd")),
        _WHOLE),
    **dict.fromkeys(
        (f"write-kubeconfig{end}" for end in ("", "-mode", "-group")), _KUBECONFIG),
    **dict.fromkeys(("docker", "container-runtime-endpoint", "rootless"), _CONTAINERD),
    **dict.fromkeys(("etcd-s3-access-key", "etcd-s3-secret-key"), Elsewhere(
        _IN_CLEAR, "write etcd-s3-config-secret: the name of a Secret in kube-system")),
    "vpn-auth": Elsewhere(_IN_CLEAR, "write vpn-auth-file: a file that is on the node"),
}  # fmt: skip

_BY_K3S = Elsewhere("k3s and the steps count on what k3s gives the kubelet", "leave it out")

# Of the kubelet's own: https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/.
KUBELETS: Mapping[str, Elsewhere] = {
    "node-ip": _ADDRESS,
    "node-labels": ELSEWHERE["node-label"],
    "register-with-taints": ELSEWHERE["node-taint"],
    "hostname-override": ELSEWHERE["node-name"],
    "cloud-provider": ELSEWHERE["disable-cloud-controller"],
    "provider-id": ELSEWHERE["disable-cloud-controller"],
    "cluster-dns": ELSEWHERE["cluster-dns"],
    "cluster-domain": Elsewhere(
        "servers tell it to their nodes", "write cluster-domain in k3s.serverOptions"),
    **dict.fromkeys(
        ("kubeconfig", "container-runtime-endpoint", "root-dir", "port", "address"), _BY_K3S),
}  # fmt: skip
