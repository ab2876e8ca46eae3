"""k3s's config.yaml of one node: plain values in, text out.

Keys are k3s's flags without their dashes: https://docs.k3s.io/installation/configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from components.groups import Option, Role
from components.k3s.options import joined
from components.k3s.settings import K3sSettings

Config = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """What k3s is told of a node. Addresses are listed IPv4 first; public may be empty.

    `kubelet_args` and `options` are what settings give beside that: see `options`.

    With `external_cloud` a cloud's controller stands in for k3s's own; `provider_id` is by what it
    knows the node.
    """

    name: str
    role: Role
    private: Sequence[str]
    public: Sequence[str]
    kubelet_args: Sequence[str] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    external_cloud: bool = False
    provider_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What servers share: the token that agents join with, and the certificate's names.

    `spans` says that nodes are on several networks and meet over their external addresses.
    """

    agent_token: str
    tls_san: Sequence[str]
    spans: bool = False


def bootstrap_config(
    node: NodeFacts, server: ServerFacts, settings: K3sSettings, token: str
) -> Config:
    """The first member's: it begins a new etcd cluster, under a token that has no CA hash yet."""
    return _with_options(
        {"cluster-init": True, "token": token, **_server(node, server, settings)}, node
    )


def server_config(
    node: NodeFacts, server: ServerFacts, settings: K3sSettings, join: Config
) -> Config:
    """Any server's, the first member's too once it runs: see `join`."""
    return _with_options({**join, **_server(node, server, settings)}, node)


def agent_config(node: NodeFacts, join: Config) -> Config:
    """An agent's."""
    return _with_options({**join, **_node(node)}, node)


def labels_config(labels: Mapping[str, str], taints: Sequence[str]) -> Config:
    """What k3s reads at a node's first registration alone; in a file of its own.

    So a changed label is no changed configuration, and nothing has to start anew for it. k3s reads
    the files of config.yaml.d after config.yaml.
    """
    config: Config = {}
    if labels:
        config["node-label"] = [f"{key}={value}" for key, value in sorted(labels.items())]
    if taints:
        config["node-taint"] = list(taints)
    return config


def join(registration: str, token: str) -> Config:
    """How to join: `registration` is a host name or address, `token` a full K10 token."""
    return {"server": url(registration), "token": token}


def url(registration: str) -> str:
    """Where the API answers at a host name or address."""
    return f"https://{registration}:6443"


def dump(config: Config) -> str:
    """The text of the file, keys in the order given; empty where there are none."""
    if not config:
        return ""
    return yaml.safe_dump(config, sort_keys=False, default_flow_style=False)


def full_token(ca_hash: str, user: str, password: str) -> str:
    """k3s's full token, by which a joiner verifies the cluster's CA: https://docs.k3s.io/cli/token.

    `ca_hash` is the SHA-256 of the server CA, 64 hex digits; `user` is server or node.
    """
    return f"K10{ca_hash}::{user}:{password}"


def _server(node: NodeFacts, server: ServerFacts, settings: K3sSettings) -> Config:
    config: Config = {
        "agent-token": server.agent_token,
        **_node(node),
        # k3s would advertise the external address: pods and nodes are to stay on the private side,
        # unless that is not reached from everywhere.
        "advertise-address": node.public[0] if server.spans else node.private[0],
        "tls-san": list(dict.fromkeys([*server.tls_san, *settings.tls_san])),
        "cluster-cidr": _listed(settings.cluster_cidr, settings.cluster_cidr_ipv6),
        "service-cidr": _listed(settings.service_cidr, settings.service_cidr_ipv6),
        "cluster-dns": settings.cluster_dns,
        "write-kubeconfig-mode": "0600",
        **_pod_network(settings, spans=server.spans),
    }
    if settings.secrets_encryption:
        # k3s leaves them in clear unless told: https://docs.k3s.io/security/secrets-encryption.
        config["secrets-encryption"] = True
    if settings.embedded_registry:
        config["embedded-registry"] = True
    if not settings.kube_proxy:
        config["disable-kube-proxy"] = True
    if node.external_cloud:
        config["disable-cloud-controller"] = True
    if settings.disable:
        config["disable"] = list(settings.disable)
    return config


def _pod_network(settings: K3sSettings, *, spans: bool) -> Config:
    """How pods on different nodes speak; k3s's own default is left unsaid.

    Source: https://docs.k3s.io/networking/distributed-multicloud.
    """
    backend = settings.backend(spans=spans)
    config: Config = {} if backend == "vxlan" else {"flannel-backend": backend}
    if backend == "none":
        config["disable-network-policy"] = True
    elif spans:
        config["flannel-external-ip"] = True
    if backend != "none" and settings.dual_stack:
        # Pods' IPv6 addresses are the cluster's own, and no router outside knows the way back.
        config["flannel-ipv6-masq"] = True
    return config


def _with_options(config: Config, node: NodeFacts) -> Config:
    """Last what the settings add: arguments beside those that the program has itself."""
    args: dict[str, Option] = {"kubelet-arg": tuple(node.kubelet_args)} if node.kubelet_args else {}
    for flag, value in {**args, **node.options}.items():
        parts = list(value) if isinstance(value, tuple) else [value]
        own = config.get(flag)
        if isinstance(own, list):
            config[flag] = joined(own, list(map(str, parts)))
        else:
            config[flag] = parts if isinstance(value, tuple) else value
    return config


def _listed(*cidrs: object) -> str:
    return ",".join(str(cidr) for cidr in cidrs if cidr is not None)


def _node(node: NodeFacts) -> Config:
    config: Config = {"node-name": node.name, "node-ip": ",".join(node.private)}
    if node.public:
        config["node-external-ip"] = ",".join(node.public)
    return config | (_of_cloud(node) if node.external_cloud else {})


def _of_cloud(node: NodeFacts) -> Config:
    """What k3s tells kubelet and kube-proxy by itself only with its own controller, or never.

    Source: https://github.com/k3s-io/k3s/blob/master/pkg/daemons/agent/agent_linux.go. Until the
    controller has met the node, the kubelet's taint keeps pods off it.
    """
    kubelet = ["cloud-provider=external"]
    if node.provider_id:
        kubelet.append(f"provider-id={node.provider_id}")
    # Balancers ask kube-proxy whether the node takes traffic; by itself it answers 127.0.0.1 alone.
    return {"kubelet-arg": kubelet, "kube-proxy-arg": ["healthz-bind-address=0.0.0.0"]}
