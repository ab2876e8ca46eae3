"""kube-vip on existing servers: an address that one of them has, and another takes over by ARP.

The first server needs no such address to start, as it joins nobody. Its manifests folder has
kube-vip's objects before k3s runs, so the address is there soon after; whoever joins looks for it.
Sources: https://kube-vip.io/docs/usage/k3s/ and, for the variables,
https://github.com/kube-vip/kube-vip/blob/v1.2.3/pkg/kubevip/config_envvar.go.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

import pulumi
import yaml
from pulumi_command import remote
from pydantic import Field

from components.platforms.existing import step
from components.platforms.machine import Machine
from components.settings import Settings

SCRIPTS = step.files("kube_vip")
_SECONDS = 180
_NAME, _NAMESPACE = "kube-vip", "kube-system"
_IMAGE = "ghcr.io/kube-vip/kube-vip:v1.2.3"
# Held for 15 s: longer ones find fewer leaders where an API is slow, shorter ones less quickly.
_ELECTION = {"vip_leaseduration": "15", "vip_renewdeadline": "10", "vip_retryperiod": "2"}


class KubeVip(Settings):
    """An address of the servers' network that is nobody's, and the card that has that network."""

    address: ipaddress.IPv4Address = Field(
        description="a free address of the network that the servers share, such as 10.9.0.5"
    )
    interface: str = Field(
        # https://github.com/torvalds/linux/blob/master/include/uapi/linux/if.h: 15 characters.
        pattern=r"^[A-Za-z0-9_.-]{1,15}$",
        description="the network card of that network, of one name on all servers, such as eth1",
    )
    image: str = Field(
        default=_IMAGE,
        pattern=r"^[a-z0-9][A-Za-z0-9._:/@-]*$",
        description="kube-vip's image, pulled by every server",
    )


def manifest(given: KubeVip) -> str:
    """kube-vip's objects, for k3s's manifests folder."""
    objects = (_account(), _role(), _binding(), _daemon_set(given))
    return yaml.safe_dump_all(objects, sort_keys=False, default_flow_style=False)


def place(
    server: Machine,
    given: KubeVip,
    cluster: str,
    *,
    generation: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Put the objects where k3s of this server finds them when it starts.

    Another `generation` puts them there again: what was on the host has gone.
    """

    return step.command(
        server.name,
        server.ssh,
        "kube-vip",
        SCRIPTS,
        {
            "CLUSTER": cluster,
            "GENERATION": generation,
            "ADDRESS": str(given.address),
            "INTERFACE": given.interface,
            "MANIFEST": manifest(given),
        },
        actions=("create", "delete"),
        seconds=_SECONDS,
        opts=opts,
    )


def _metadata(*, cluster_wide: bool = False) -> Mapping[str, str]:
    return {"name": _NAME} if cluster_wide else {"name": _NAME, "namespace": _NAMESPACE}


def _account() -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata()}


def _role() -> Mapping[str, Any]:
    """Of the API it needs the lease alone, as it serves the control plane and no Services."""
    verbs = ["get", "create", "update"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(),
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs}],
    }


def _binding() -> Mapping[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": _NAME},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}],
    }


def _daemon_set(given: KubeVip) -> Mapping[str, Any]:
    labels = {"app.kubernetes.io/name": _NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(),
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(given)},
        },
    }


def _pod(given: KubeVip) -> Mapping[str, Any]:
    """On every server, whatever its taints, and without need of a pod network."""
    return {
        "serviceAccountName": _NAME,
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"node-role.kubernetes.io/control-plane": "true"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": _NAME,
                "image": given.image,
                "args": ["manager"],
                "env": [*_variables(given), _node_name()],
                "securityContext": {
                    "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}
                },
            }
        ],
    }


def _variables(given: KubeVip) -> list[Mapping[str, str]]:
    values = {
        "address": str(given.address),
        "port": "6443",
        "vip_interface": given.interface,
        "vip_subnet": "32",
        "vip_arp": "true",
        "cp_enable": "true",
        "cp_namespace": _NAMESPACE,
        "vip_leaderelection": "true",
        "vip_leasename": _NAME,
        **_ELECTION,
        # Its own server's API: a leader whose API is down gives the address up.
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "6443",
        # Else its metrics would be open on every address of the host.
        "prometheus_server": "127.0.0.1:2112",
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _node_name() -> Mapping[str, Any]:
    return {"name": "vip_nodename", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
