"""The add-ons there are, in one table, each of the same shape."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.addons import (
    cert_manager,
    cloud_controller,
    cloud_controller_aws,
    cloud_controller_settings,
    cni,
    cni_settings,
    cni_values,
    ingress,
    logging,
    longhorn,
    longhorn_settings,
    metallb,
    network_policies,
    prometheus,
    rook,
    rook_settings,
)
from components.addons.addon import STORAGE, AddonAsked
from components.addons.charts import Chart
from components.k3s.prepare import Feature
from components.k3s.settings import K3sSettings
from components.network import Profile
from components.platforms.platform import CloudPart
from components.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One add-on.

    `after` are the add-ons that it waits for, where they are chosen. `disables` are the packaged
    components of k3s that it takes the place of, `features` what it needs of every machine. The
    others are asked of its settings: `profiles` are the rows of the firewall that it needs, `k3s`
    is k3s as it must be under it, `labels` are what it needs of a group's nodes, `stores` says
    whether it has volumes and waits for STORAGE too, `brings_classes` whether it brings storage
    classes itself, `default_class` whether claims that name no class get its own, `cloud` what of
    it speaks to the cloud, `on` whether it is chosen at all.
    """

    component: Callable[..., pulumi.ComponentResource]
    problems: Callable[[Any, AddonAsked], Iterable[Problem]]
    charts: tuple[Chart, ...] = ()
    after: tuple[str, ...] = ()
    disables: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    profiles: Callable[[Any], tuple[Profile, ...]] = lambda _: ()
    k3s: Callable[[Any, K3sSettings], K3sSettings] = lambda _, k3s: k3s
    labels: Callable[[Any, str], Mapping[str, str]] = lambda _settings, _group: {}
    stores: Callable[[Any], bool] = lambda _: False
    brings_classes: Callable[[Any], bool] = lambda _: False
    default_class: Callable[[Any], bool] = lambda _: False
    cloud: Callable[[Any], frozenset[CloudPart]] = lambda _: frozenset()
    on: Callable[[Any], bool] = lambda _: True

    def waits_for(self, settings: Any) -> tuple[str, ...]:
        """The add-ons, where they are chosen, that go before one of these settings."""
        return (*self.after, *(STORAGE if self.stores(settings) else ()))


KINDS: Mapping[str, Kind] = {
    "cloudController": Kind(
        component=cloud_controller.CloudController,
        problems=cloud_controller_settings.problems,
        charts=(cloud_controller_aws.CONTROLLER, cloud_controller_aws.CSI),
        disables=("servicelb",),
        profiles=lambda _: ("cloud-balancers",),
        k3s=cloud_controller_settings.k3s,
        cloud=cloud_controller_settings.cloud_parts,
        brings_classes=lambda settings: settings.csi,
        default_class=lambda settings: settings.csi and settings.default_class,
    ),
    "cni": Kind(
        component=cni.Cni,
        problems=cni_settings.problems,
        charts=(cni_values.CALICO_CRDS, cni_values.CALICO, cni_values.CILIUM),
        # Which runs without a network, while parts of the plugin are kept off by its taint.
        after=("cloudController",),
        profiles=cni_settings.profiles,
        k3s=cni_settings.k3s,
    ),
    "metallb": Kind(
        component=metallb.Metallb,
        problems=metallb.problems,
        charts=(metallb.CHART,),
        after=("cni", "cloudController"),
        profiles=lambda _: ("metallb",),
        disables=("servicelb",),
    ),
    "rook": Kind(
        component=rook.Rook,
        problems=rook_settings.problems,
        charts=(rook.OPERATOR, rook.DRIVERS, rook.CLUSTER),
        after=("cni", "cloudController", "metallb"),
        brings_classes=lambda settings: settings.block or settings.filesystem,
        default_class=lambda settings: settings.default_class is not None,
    ),
    "longhorn": Kind(
        component=longhorn.Longhorn,
        problems=longhorn_settings.problems,
        charts=(longhorn.CHART,),
        after=("cni", "cloudController", "metallb"),
        features=("iscsi", "nfs"),
        labels=longhorn_settings.labels,
        brings_classes=lambda _: True,
        default_class=lambda settings: settings.default_class,
    ),
    "certManager": Kind(
        component=cert_manager.CertManager,
        problems=cert_manager.problems,
        charts=(cert_manager.CHART,),
        after=("cni", "cloudController", "metallb"),
    ),
    "prometheus": Kind(
        component=prometheus.Prometheus,
        problems=prometheus.problems,
        charts=(prometheus.CHART,),
        # Nodes take no pods before their network, and with a cloud's controller before that.
        after=("cni", "cloudController"),
        profiles=lambda _: ("prometheus",),
        stores=lambda settings: settings.storage is not None,
    ),
    "logging": Kind(
        component=logging.Logging,
        problems=logging.problems,
        charts=(logging.LOKI, logging.COLLECTOR),
        after=("cni", "cloudController"),
        stores=lambda settings: settings.storage is not None,
    ),
    "ingress": Kind(
        component=ingress.Ingress,
        problems=ingress.problems,
        profiles=lambda _: ("ingress",),
        on=lambda settings: settings.enabled,
    ),
    "networkPolicies": Kind(
        component=network_policies.NetworkPolicies,
        problems=network_policies.problems,
        after=("cni",),
    ),
}
