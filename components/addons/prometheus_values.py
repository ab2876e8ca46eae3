"""Values of the chart kube-prometheus-stack. The reasons are in docs/addons/prometheus.md."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.addons.prometheus import PrometheusSettings, Storage

ADMIN_SECRET = "grafana-admin"  # noqa: S105 - a name
ADMIN_USER, ADMIN_PASSWORD = "admin-user", "admin-password"
ALERTMANAGER_SECRET = "alertmanager-config"  # noqa: S105 - a name
_READER = "grafana-configmaps"
_DASHBOARDS = "downloaded"
_FOLDER = f"/var/lib/grafana/dashboards/{_DASHBOARDS}"
# k3s runs these in its own process, on 127.0.0.1: nothing listens where they would be scraped.
_INSIDE_K3S = ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd")
# The oldest blocks go before the volume is full: the write-ahead log needs the rest.
_RETAINED_SHARE = 0.8


def chart_values(settings: "PrometheusSettings") -> dict[str, Any]:
    """All of them."""
    storage = settings.storage
    return {
        **{part: {"enabled": False} for part in _INSIDE_K3S},
        "prometheus": {"prometheusSpec": _prometheus(settings)},
        "alertmanager": {
            "alertmanagerSpec": {
                **(_configured() if settings.alertmanager.receivers else {}),
                **({"storage": _claim(storage, storage.alertmanager)} if storage else {}),
            }
        },
        "grafana": _grafana(settings),
        "extraManifests": [_reader()],
    }


def _prometheus(settings: "PrometheusSettings") -> dict[str, Any]:
    # Monitors and rules of whatever else is installed count too, not only this release's.
    found: dict[str, Any] = {
        f"{kind}SelectorNilUsesHelmValues": False
        for kind in ("rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig")
    }
    found["retention"] = settings.retention
    if settings.storage:
        found["retentionSize"] = f"{int(settings.storage.prometheus * 1024 * _RETAINED_SHARE)}MiB"
        found["storageSpec"] = _claim(settings.storage, settings.storage.prometheus)
    return found


def _configured() -> dict[str, Any]:
    return {"useExistingSecret": True, "configSecret": ALERTMANAGER_SECRET}


def _claim(storage: "Storage", gib: int) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{gib}Gi"}},
    }
    if storage.storage_class:
        spec["storageClassName"] = storage.storage_class
    return {"volumeClaimTemplate": {"spec": spec}}


def _grafana(settings: "PrometheusSettings") -> dict[str, Any]:
    found: dict[str, Any] = {
        "admin": {
            "existingSecret": ADMIN_SECRET,
            "userKey": ADMIN_USER,
            "passwordKey": ADMIN_PASSWORD,
        },
        # The chart's own role reads every Secret of the cluster.
        "rbac": {"useExistingClusterRole": _READER},
        "sidecar": {
            "dashboards": {"resource": "configmap"},
            "datasources": {"resource": "configmap", "searchNamespace": "ALL"},
        },
    }
    if settings.storage:
        # Two pods cannot hold one volume: the old one goes first.
        found["deploymentStrategy"] = {"type": "Recreate"}
        found["persistence"] = {
            "enabled": True,
            "size": f"{settings.storage.grafana}Gi",
            **(
                {"storageClassName": settings.storage.storage_class}
                if settings.storage.storage_class
                else {}
            ),
        }
    return found | (_dashboards(settings) if settings.dashboards else {})


def _dashboards(settings: "PrometheusSettings") -> dict[str, Any]:
    """Dashboards that Grafana's pod fetches as it starts."""
    provider = {
        "name": _DASHBOARDS,
        "type": "file",
        "disableDeletion": True,
        "options": {"path": _FOLDER},
    }
    return {
        # The chart's own are -skf: any certificate is taken, and failures are not told.
        "defaultCurlOptions": "-sSfL",
        "dashboardProviders": {
            "dashboardproviders.yaml": {"apiVersion": 1, "providers": [provider]}
        },
        "dashboards": {
            _DASHBOARDS: {
                name: {
                    "gnetId": dashboard.id,
                    "revision": dashboard.revision,
                    # Whatever a dashboard calls its data source, ours has the uid prometheus. As
                    # this is a pipe, a dashboard that cannot be fetched does not stop Grafana.
                    "datasource": [{"name": "DS_[A-Za-z0-9_-]+", "value": "prometheus"}],
                }
                for name, dashboard in sorted(settings.dashboards.items())
            }
        },
    }


def _reader() -> dict[str, Any]:
    """What Grafana's sidecars may read: dashboards and data sources in ConfigMaps."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _READER},
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}
        ],
    }
