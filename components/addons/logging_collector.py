"""What the collector of logs is told. The reasons are in docs/addons/logging.md.

Source: https://github.com/open-telemetry/opentelemetry-collector-contrib, receiver/filelogreceiver.
"""

from typing import TYPE_CHECKING, Any

from components.addons.logging_values import COLLECTOR, NAMESPACE, URL, resources

if TYPE_CHECKING:
    from components.addons.logging import LoggingSettings

# Ports that the collector's chart opens on each node unless it is told not to.
_PORTS = ("otlp", "otlp-http", "jaeger-compact", "jaeger-thrift", "jaeger-grpc", "zipkin")
_LOGS = "/var/log/pods"
# Where the collector notes how far it has read each file, on the node.
_NOTES = "/var/lib/otelcol-logging"
_PROBES = 13133


def collector_values(settings: "LoggingSettings") -> dict[str, Any]:
    """A pod on every node, which reads the logs of that node's pods and nothing else."""
    return {
        "mode": "daemonset",
        "fullnameOverride": COLLECTOR,
        "image": {"repository": "otel/opentelemetry-collector-k8s"},
        # Takes the place of the chart's own, which listens for traces and more.
        "alternateConfig": _collector_config(settings),
        "ports": {port: {"enabled": False} for port in _PORTS},
        "serviceAccount": {"automountServiceAccountToken": False},
        # Logs are root's to read. Root without a capability can do that and little else.
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": resources(cpu="50m", memory="64Mi", limit="256Mi"),
        "tolerations": [{"operator": "Exists"}],
        "extraVolumes": [
            {"name": "logs", "hostPath": {"path": _LOGS, "type": "DirectoryOrCreate"}},
            {"name": "notes", "hostPath": {"path": _NOTES, "type": "DirectoryOrCreate"}},
        ],
        "extraVolumeMounts": [
            {"name": "logs", "mountPath": _LOGS, "readOnly": True},
            {"name": "notes", "mountPath": _NOTES},
        ],
    }


def _collector_config(settings: "LoggingSettings") -> dict[str, Any]:
    return {
        "extensions": {
            "health_check": {"endpoint": f"${{env:MY_POD_IP}}:{_PROBES}"},
            "file_storage": {"directory": _NOTES},
        },
        "receivers": {"file_log": _files(settings)},
        "processors": {
            "memory_limiter": {
                "check_interval": "1s",
                "limit_percentage": 80,
                "spike_limit_percentage": 25,
            }
        },
        "exporters": {"otlp_http": _to_loki()},
        "service": {
            "extensions": ["health_check", "file_storage"],
            "pipelines": {
                "logs": {
                    "receivers": ["file_log"],
                    "processors": ["memory_limiter"],
                    "exporters": ["otlp_http"],
                }
            },
            "telemetry": {"metrics": {"level": "none"}},
        },
    }


def _files(settings: "LoggingSettings") -> dict[str, Any]:
    """containerd's files: NAMESPACE_POD_UID/CONTAINER/RESTART.log, which says whose they are."""
    left_out = [f"{_LOGS}/{name}_*/*/*.log" for name in settings.exclude_namespaces]
    return {
        "include": [f"{_LOGS}/*/*/*.log"],
        # What the collector says of lines that it cannot send would be such lines too.
        "exclude": [f"{_LOGS}/{NAMESPACE}_{COLLECTOR}-agent-*/*/*.log", *left_out],
        "start_at": "beginning",
        "storage": "file_storage",
        "include_file_path": True,
        "include_file_name": False,
        "retry_on_failure": {"enabled": True, "max_elapsed_time": "0s"},
        "resource": {"k8s.node.name": "${env:OTEL_K8S_NODE_NAME}"},
        "operators": [
            {"type": "container"},
            {"type": "remove", "field": 'attributes["log.file.path"]'},
            {"type": "remove", "field": "attributes.logtag"},
        ],
    }


def _to_loki() -> dict[str, Any]:
    """What is not sent yet waits on the node's disk, and files are read no further meanwhile."""
    return {
        "endpoint": f"{URL}/otlp",
        "retry_on_failure": {"max_elapsed_time": "0s"},
        "sending_queue": {
            "storage": "file_storage",
            # One after another: of a pod's first lines, sent side by side, Loki's write-ahead log
            # forgets some when Loki is killed.
            "num_consumers": 1,
            "block_on_overflow": True,
            "batch": {"flush_timeout": "1s", "min_size": 1000, "max_size": 5000},
        },
    }
