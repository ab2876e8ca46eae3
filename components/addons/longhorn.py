"""Longhorn: volumes on the nodes' own filesystems, over iSCSI, each copied to several nodes.

Source: https://longhorn.io/docs/1.12.1/deploy/install/install-with-helm/
"""

from dataclasses import replace
from typing import Any

import pulumi

from components.addons.addon import Site, namespace, release
from components.addons.charts import Chart
from components.addons.longhorn_settings import LonghornSettings
from components.addons.webhook import SCRIPTS
from components.k3s.step import Step

CHART = Chart(name="longhorn", repository="https://charts.longhorn.io")
NAMESPACE = "longhorn-system"
STORAGE_CLASS = "longhorn"
# Where k3s has it, always; Longhorn would run a pod that looks for it among the host's processes.
_KUBELET = "/var/lib/kubelet"
# More than all waits of longhorn.sh together.
_SECONDS = 1200


class Longhorn(pulumi.ComponentResource):
    """Gives `storage_class`, the name of its storage class, known when volumes can be made."""

    storage_class: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: LonghornSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Longhorn", name, None, opts)
        # What holds data is never taken down by the way: it stays, or is destroyed as asked.
        kept = replace(site, retain=not settings.destroy_data)
        # Its daemons mount the host's disks, which no lower level allows.
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        into = namespace(NAMESPACE, kept, self, labels)
        deployed = release(
            "longhorn",
            CHART,
            settings,
            chart_values(settings),
            into=into,
            site=kept,
            parent=self,
            # Longhorn lets nobody uninstall it by the way, and so a failed install is mended.
            atomic=False,
        )
        ready = self._ready(settings, site, deployed)
        self.storage_class = ready.id.apply(lambda _: STORAGE_CLASS)
        self.register_outputs({"storageClass": self.storage_class})

    def _ready(
        self, settings: LonghornSettings, site: Site, deployed: pulumi.Resource
    ) -> pulumi.CustomResource:
        """Waits for Longhorn; on the way down it goes first, while Longhorn is still there."""
        gone_with = None if settings.destroy_data else site.k3s
        return Step(
            "longhorn", seconds=_SECONDS, folder=SCRIPTS, own=("volumes",), removable=True
        ).on(
            f"{site.cluster}-longhorn-ready",
            site.server,
            subject=site.server.name,
            variables={
                "REPLICAS": str(settings.replicas),
                "WAIT": str(settings.wait_ready).lower(),
                "DESTROY": str(settings.destroy_data).lower(),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployed], deleted_with=gone_with),
        )


def chart_values(settings: LonghornSettings) -> dict[str, Any]:
    """The reasons are in docs/addons/longhorn.md."""
    return {
        "csi": {"kubeletRootDir": _KUBELET},
        "persistence": {
            "defaultClass": settings.default_class,
            "defaultClassReplicaCount": settings.replicas,
        },
        "defaultSettings": {
            "createDefaultDiskLabeledNodes": bool(settings.groups),
            "defaultDataPath": settings.data_path,
            "defaultReplicaCount": settings.replicas,
            # The version is pinned here: nobody outside is asked for another, or told of this one.
            "upgradeChecker": False,
            "allowCollectingLonghornUsageMetrics": False,
        },
    }
