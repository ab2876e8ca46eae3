"""DigitalOcean's controller and CSI driver as objects: there is no chart of its own for either.

Which flags, permissions and host paths they need:
https://github.com/digitalocean/digitalocean-cloud-controller-manager/blob/v0.1.68/docs/getting-started.md
and https://github.com/digitalocean/csi-digitalocean/blob/v4.16.0/README.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.addons.cloud_controller_aws import EVERYWHERE, ON_SERVERS
from components.platforms.machine import Machine

DRIVER = "dobs.csi.digitalocean.com"
STORAGE_CLASS = "do-block-storage"
SECRET, TOKEN = "digitalocean-token", "access-token"
NAME = "digitalocean-cloud-controller-manager"
CONTROLLER_WORKLOAD = f"deployment/{NAME}"
CSI_CONTROLLER, CSI_NODE = "digitalocean-csi-controller", "digitalocean-csi-node"
CSI_WORKLOADS = (f"deployment/{CSI_CONTROLLER}", f"daemonset/{CSI_NODE}")
CSI_IN_THE_HOSTS_NETWORK = CSI_WORKLOADS
LOGS = f"app={NAME}"

_NAMESPACE = "kube-system"
# Kubernetes' own halves of a CSI driver, at the versions that v4.16.0 is released with.
_SIDECARS = "registry.k8s.io/sig-storage"
_PROVISIONER = f"{_SIDECARS}/csi-provisioner:v6.1.0"
_ATTACHER = f"{_SIDECARS}/csi-attacher:v4.10.0"
_RESIZER = f"{_SIDECARS}/csi-resizer:v2.0.0"
_REGISTRAR = f"{_SIDECARS}/csi-node-driver-registrar:v2.15.0"
_API = "https://api.digitalocean.com/"
_SOCKETS, _SOCKET = "/csi", "/csi/csi.sock"
_KUBELET = "/var/lib/kubelet"
_PLUGIN = f"{_KUBELET}/plugins/{DRIVER}"
# As many as the driver tells by itself; a Droplet takes 15 volumes, raw disks among them.
_VOLUMES, _MOST = 7, 15
# Droplets' images mount new volumes by it, under the driver's feet.
_UDEV, _AUTOMOUNT = "/etc/udev/rules.d", "99-digitalocean-automount.rules"

Rules = Sequence[tuple[str, str, str]]
# Groups, resources and verbs, in words.
_CONTROLLER_MAY: Rules = (
    ("coordination.k8s.io", "leases", "get list watch create update"),
    ("", "events", "create patch update"),
    ("", "nodes", "get list watch update patch delete"),
    ("", "nodes/status services/status", "update patch"),
    ("", "services", "get list watch update patch"),
)
_CSI_MAY: Rules = (
    ("", "persistentvolumes", "get list watch create update patch delete"),
    ("", "persistentvolumeclaims", "get list watch update"),
    ("", "persistentvolumeclaims/status", "update patch"),
    ("", "events", "get list watch create update patch"),
    ("", "nodes", "get list watch"),
    ("storage.k8s.io", "storageclasses csinodes", "get list watch"),
    ("storage.k8s.io", "volumeattachments", "get list watch update patch"),
    ("storage.k8s.io", "volumeattachments/status", "patch"),
)


def controller(release: str, region: str, vpc: Any) -> dict[str, dict[str, Any]]:
    """The cloud controller's objects by name; `vpc` is where balancers are to be."""
    environment = [
        _from_secret("DO_ACCESS_TOKEN"),
        {"name": "REGION", "value": region},
        {"name": "DO_CLUSTER_VPC_ID", "value": vpc},
        # The other kind hands on what comes from the internet as it came, past the firewall's rows.
        {"name": "DEFAULT_LB_TYPE", "value": "REGIONAL"},
    ]
    container = {
        "name": NAME,
        "image": f"docker.io/digitalocean/{NAME}:{release}",
        "command": [f"/bin/{NAME}", "--bind-address=127.0.0.1"],
        "env": environment,
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": _HARMLESS,
    }
    return {**_account(NAME, _CONTROLLER_MAY), "controller": _on_a_server(NAME, [container])}


def csi(release: str, machines: Sequence[Machine]) -> dict[str, dict[str, Any]]:
    """The CSI driver's objects by name."""
    image = f"docker.io/digitalocean/do-csi-plugin:{release}"
    taken = max(len(machine.disks) for machine in machines)
    return {
        "csi-driver": {
            "kind": "CSIDriver",
            "metadata": {"name": DRIVER},
            "spec": {"attachRequired": True, "podInfoOnMount": True},
        },
        **_account(CSI_CONTROLLER, _CSI_MAY),
        "csi-controller": _csi_controller(image),
        # Its registrar speaks with the kubelet alone, and the driver with the Droplet's metadata.
        f"{CSI_NODE}-account": _service_account(CSI_NODE),
        "csi-node": _csi_node(image, max(1, min(_VOLUMES, _MOST - taken))),
    }


def _csi_controller(image: str) -> dict[str, Any]:
    """In the host's network: it asks the Droplet's metadata, from which pods are kept."""
    shared = [{"name": "sockets", "mountPath": _SOCKETS}]
    beside = {
        "provisioner": (_PROVISIONER, ["--default-fstype=ext4"]),
        "attacher": (_ATTACHER, ["--reconcile-sync=30m", "--timeout=2m"]),
        "resizer": (_RESIZER, ["--timeout=30s", "--handle-volume-inuse-error=false"]),
    }
    sidecars = [
        {
            "name": name,
            "image": sidecar,
            "args": [f"--csi-address={_SOCKET}", *more],
            "volumeMounts": shared,
            "securityContext": _HARMLESS,
        }
        for name, (sidecar, more) in beside.items()
    ]
    plugin = {
        "name": "plugin",
        "image": image,
        # The driver takes its token as a flag and no other way.
        "args": [
            f"--endpoint=unix://{_SOCKET}",
            f"--url={_API}",
            "--token=$(DIGITALOCEAN_ACCESS_TOKEN)",
            "--default-volumes-page-size=200",
        ],
        "env": [_from_secret("DIGITALOCEAN_ACCESS_TOKEN")],
        "volumeMounts": shared,
        "securityContext": _HARMLESS,
    }
    volumes = [{"name": "sockets", "emptyDir": {}}]
    return _on_a_server(CSI_CONTROLLER, [*sidecars, plugin], volumes)


def _csi_node(image: str, volumes: int) -> dict[str, Any]:
    registrar = {
        "name": "registrar",
        "image": _REGISTRAR,
        "args": [f"--csi-address={_SOCKET}", f"--kubelet-registration-path={_PLUGIN}/csi.sock"],
        "volumeMounts": [
            {"name": "plugin", "mountPath": _SOCKETS},
            {"name": "registration", "mountPath": "/registration"},
        ],
    }
    plugin = {
        "name": "plugin",
        "image": image,
        "args": [
            f"--endpoint=unix://{_SOCKET}",
            f"--url={_API}",
            f"--volume-limit={volumes}",
            # Else a volume that is not attached yet could be taken for an empty one.
            "--validate-attachment=true",
        ],
        # It formats and mounts, where pods are to see it.
        "securityContext": {"privileged": True},
        "volumeMounts": [
            {"name": "plugin", "mountPath": _SOCKETS},
            {"name": "kubelet", "mountPath": _KUBELET, "mountPropagation": "Bidirectional"},
            {"name": "devices", "mountPath": "/dev"},
        ],
    }
    no_automount = {
        "name": "no-automount",
        "image": image,
        "command": ["rm", "-f", f"{_UDEV}/{_AUTOMOUNT}"],
        "volumeMounts": [{"name": "udev", "mountPath": _UDEV}],
    }
    spec = {
        **_pod(CSI_NODE, [registrar, plugin], [*map(_host_path, _HOST_PATHS)]),
        "priorityClassName": "system-node-critical",
        "initContainers": [no_automount],
    }
    return _workload("DaemonSet", CSI_NODE, spec, {})


_HARMLESS = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_HOST_PATHS = (
    ("registration", f"{_KUBELET}/plugins_registry", "DirectoryOrCreate"),
    ("plugin", _PLUGIN, "DirectoryOrCreate"),
    ("kubelet", _KUBELET, "Directory"),
    ("devices", "/dev", "Directory"),
    ("udev", _UDEV, "DirectoryOrCreate"),
)


def _host_path(known: tuple[str, str, str]) -> dict[str, Any]:
    name, path, kind = known
    return {"name": name, "hostPath": {"path": path, "type": kind}}


def _from_secret(variable: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": TOKEN}}}


def _pod(
    name: str, containers: Sequence[Mapping[str, Any]], volumes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "serviceAccountName": name,
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "tolerations": EVERYWHERE,
        "containers": list(containers),
        "volumes": list(volumes),
    }


def _on_a_server(
    name: str,
    containers: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One, never two: the old one ends first."""
    spec = {
        **_pod(name, containers, volumes),
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": ON_SERVERS,
    }
    return _workload("Deployment", name, spec, {"replicas": 1, "strategy": {"type": "Recreate"}})


def _workload(
    kind: str, name: str, pod: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": _NAMESPACE, "labels": labels},
        "spec": {
            **more,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": dict(pod)},
        },
    }


def _service_account(name: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "metadata": {"name": name, "namespace": _NAMESPACE}}


def _account(name: str, may: Rules) -> dict[str, dict[str, Any]]:
    rules = [
        {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
        for group, resources, verbs in may
    ]
    return {
        f"{name}-account": _service_account(name),
        f"{name}-role": {"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        f"{name}-binding": {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "role_ref": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": name,
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": _NAMESPACE}],
        },
    }
