"""Rook: storage on the nodes' raw disks by Ceph, as volumes, shared filesystems, buckets and NFS.

Source: https://rook.io/docs/rook/v1.20/Helm-Charts/helm-charts
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi

from components.addons import rook_values as told
from components.addons.addon import Site, custom, namespace, release, storage_class
from components.addons.charts import Chart
from components.addons.rook_settings import RookSettings
from components.addons.webhook import SCRIPTS
from components.k3s.step import Step

_ROOK = "https://charts.rook.io/release"
OPERATOR = Chart(name="rook-ceph", repository=_ROOK)
CLUSTER = Chart(name="rook-ceph-cluster", repository=_ROOK, values="cluster_values")
# Rook's operator runs the CSI drivers' operator; since v1.20 the drivers have a chart of their own.
DRIVERS = Chart(
    name="ceph-csi-drivers",
    repository="https://ceph.github.io/ceph-csi-operator",
    setting="csi_version",
    values="csi_values",
)
# More than all waits of ceph.sh together: the way down is the longer one.
_CEPH_SECONDS = 2400


class Rook(pulumi.ComponentResource):
    """Gives `storage_classes`, by block, filesystem, objectStore and nfs, once Ceph answers."""

    storage_classes: pulumi.Output[Mapping[str, str]]

    def __init__(
        self,
        name: str,
        *,
        settings: RookSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Rook", name, None, opts)
        self._settings = settings
        # What holds data is never taken down by the way: it stays, or is destroyed as asked.
        self._site = replace(site, retain=not settings.destroy_data)
        disks = _disks(settings, site)
        made = self._charts(disks)
        ceph = self._ceph(sum(map(len, disks.values())), [*made, *self._nfs(made)])
        self.storage_classes = ceph.id.apply(lambda _: told.storage_classes(settings))
        self.register_outputs({"storageClasses": self.storage_classes})

    def _charts(self, disks: Mapping[str, Sequence[pulumi.Input[str]]]) -> list[pulumi.Resource]:
        """Operator, drivers and cluster, in the order of Rook's own pages."""
        site, settings = self._site, self._settings
        # Ceph's daemons open disks of the host, which no lower level allows.
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        into = namespace(told.NAMESPACE, site, self, labels)
        values = {
            OPERATOR: told.operator_values(settings),
            DRIVERS: told.csi_values(settings),
            CLUSTER: told.cluster_values(settings, disks),
        }
        made: list[pulumi.Resource] = []
        for chart, chosen in values.items():
            made += [
                release(
                    chart.name,
                    chart,
                    settings,
                    chosen,
                    into=into,
                    site=site,
                    parent=self,
                    after=made,
                    # Taking the cluster's objects back would be the end of what they hold.
                    atomic=chart is not CLUSTER,
                )
            ]
        return made

    def _nfs(self, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        if not self._settings.nfs:
            return []
        server = custom(
            f"{told.NFS}-server", told.nfs_server(), site=self._site, parent=self, after=after
        )
        return [
            server,
            storage_class(
                told.NFS,
                told.NFS_PROVISIONER,
                told.nfs_parameters(),
                default=self._settings.default_class == "nfs",
                site=self._site,
                parent=self,
                after=[*after, server],
            ),
        ]

    def _ceph(self, disks: int, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        """Waits for Ceph; on the way down it goes first, while all the others are still there."""
        settings, site = self._settings, self._site
        gone_with = None if settings.destroy_data else site.k3s
        return Step(
            "ceph", seconds=_CEPH_SECONDS, folder=SCRIPTS, own=("volumes",), removable=True
        ).on(
            f"{site.cluster}-ceph",
            site.server,
            subject=site.server.name,
            variables={
                "DISKS": str(disks),
                "WAIT": str(settings.wait_ready).lower(),
                "DESTROY": str(settings.destroy_data).lower(),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after], deleted_with=gone_with),
        )


def _disks(settings: RookSettings, site: Site) -> dict[str, list[pulumi.Input[str]]]:
    """Device paths by the node's name."""
    found: dict[str, list[pulumi.Input[str]]] = {
        machine.name: [*machine.disks, *settings.loop_devices.get(machine.name, ())]
        for machine in site.machines
    }
    return {name: paths for name, paths in found.items() if paths}
