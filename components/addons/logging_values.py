"""What Loki and Grafana are told, and who may speak with Loki.

The reasons are in docs/addons/logging.md. Source: https://grafana.com/docs/loki/latest/configure
"""

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from components.addons.logging import LoggingSettings, Storage

NAMESPACE = "logging"
LOKI, COLLECTOR = "loki", "collector"
_PORT = 3100
URL = f"http://{LOKI}.{NAMESPACE}.svc:{_PORT}"
# What Loki's chart runs beside Loki unless it is told not to; memory that it asks for.
_BESIDE = ("gateway", "chunksCache", "resultsCache", "lokiCanary", "test")
_SCALABLE = ("backend", "read", "write")


def claim_name(storage: "Storage") -> str:
    """Another class is another volume: a claim's cannot be changed."""
    return f"{LOKI}-{storage.storage_class}" if storage.storage_class else LOKI


def loki_values(settings: "LoggingSettings") -> dict[str, Any]:
    """One Loki, which keeps all it needs in files."""
    return {
        "deploymentMode": "Monolithic",
        "loki": _loki(settings.retention),
        "singleBinary": {
            "replicas": 1,
            "persistence": {"enabled": False, **_volume(settings)},
            "resources": resources(cpu="100m", memory="256Mi", limit="1Gi"),
        },
        # It speaks with nobody: no rules in ConfigMaps or Secrets, so no way to the API.
        "sidecar": {"rules": {"enabled": False}},
        "rbac": {"namespaced": True},
        "defaults": {"automountServiceAccountToken": False},
        **{part: {"enabled": False} for part in _BESIDE},
        **{part: {"replicas": 0} for part in _SCALABLE},
    }


def _loki(retention: str) -> dict[str, Any]:
    return {
        # Who may speak with Loki is said by network policies; there is one tenant.
        "auth_enabled": False,
        # It is all of its ring, and finds its own parts without a Service.
        "commonConfig": {
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "compactor_grpc_address": "127.0.0.1:9095",
        },
        "storage": {"type": "filesystem"},
        "schemaConfig": {
            "configs": [
                {
                    "from": "2024-04-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {
            "retention_period": retention,
            # Otherwise a line of more than 256 KB is refused, and with it all that came along.
            "max_line_size_truncate": True,
        },
        "compactor": {"retention_enabled": True, "delete_request_store": "filesystem"},
        # Loki's own would be 4 GB, and it starts anew with no more than its container has.
        "ingester": {"wal": {"replay_memory_ceiling": "512MB"}},
        "analytics": {"reporting_enabled": False},
    }


def _volume(settings: "LoggingSettings") -> dict[str, Any]:
    """A claim of the program's own: a StatefulSet's could never be changed."""
    if not settings.storage:
        return {}
    claim = {"claimName": claim_name(settings.storage)}
    return {"dataVolumeParameters": {"persistentVolumeClaim": claim}}


def resources(*, cpu: str, memory: str, limit: str) -> dict[str, Any]:
    """What a container asks for, and the memory that it may not exceed."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def data_source() -> str:
    """A file that Grafana reads: Loki by this name, and gone with the file."""
    loki = {"name": "Loki", "uid": LOKI, "type": "loki", "access": "proxy", "url": URL}
    return yaml.safe_dump({"apiVersion": 1, "prune": True, "datasources": [loki]}, sort_keys=False)


def policies(*, grafana: bool) -> dict[str, dict[str, Any]]:
    """Nobody speaks with the namespace's pods, but the collector and Grafana with Loki."""
    monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    specs = {
        "default-deny": {"podSelector": {}},
        "collector-to-loki": _to(LOKI, _pods("opentelemetry-collector")),
    }
    if grafana:
        reader = {"namespaceSelector": monitoring, **_pods("grafana")}
        specs["grafana-to-loki"] = _to(LOKI, reader)
    return {name: _policy(name, spec) for name, spec in specs.items()}


def _to(name: str, peer: dict[str, Any]) -> dict[str, Any]:
    rule = {"from": [peer], "ports": [{"protocol": "TCP", "port": _PORT}]}
    return {**_pods(name), "ingress": [rule]}


def _pods(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}


def _policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**spec, "policyTypes": ["Ingress"]},
    }
