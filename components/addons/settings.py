"""The add-ons that a cluster may have, each by its key, and what they ask of k3s itself."""

from collections.abc import Iterator, Mapping
from operator import methodcaller

from pydantic import Field

from components.addons import charts, ingress
from components.addons.addon import AddonAsked
from components.addons.cert_manager import CertManagerSettings
from components.addons.charts import ChartSource
from components.addons.cloud_controller_settings import CloudControllerSettings
from components.addons.cni_settings import CniSettings
from components.addons.ingress import IngressSettings
from components.addons.kinds import KINDS
from components.addons.logging import LoggingSettings
from components.addons.longhorn_settings import LonghornSettings
from components.addons.metallb import MetallbSettings
from components.addons.network_policies import NetworkPoliciesSettings
from components.addons.prometheus import PrometheusSettings
from components.addons.rook_settings import RookSettings
from components.k3s.prepare import Feature
from components.k3s.settings import K3sSettings
from components.network import Profile
from components.platforms.platform import CloudPart
from components.problems import Problem
from components.settings import Settings

# Packaged components of k3s by the settings that leave them out.
# Source: https://docs.k3s.io/installation/packaged-components.
PACKAGED = {
    "local_path": "local-storage",
    "servicelb": "servicelb",
    "metrics_server": "metrics-server",
}


class Addons(Settings):
    """What is installed after k3s. An add-on is chosen by its key: `{}` takes its own defaults."""

    charts: ChartSource = Field(
        default_factory=ChartSource,
        description="{from: repository}, {from: mirror, url: …} or {from: folder, folder: …}",
    )
    cni: CniSettings | None = Field(
        default=None, description="Calico or Cilium in flannel's place: {plugin: calico}"
    )
    cloud_controller: CloudControllerSettings | None = Field(
        default=None,
        description="the cloud's own balancers, nodes and volumes: {} (aws), "
        "{token: {secret: NAME}} (digitalocean)",
    )
    metallb: MetallbSettings | None = Field(
        default=None, description="MetalLB: {pools: {main: {addresses: [FIRST-LAST]}}}"
    )
    prometheus: PrometheusSettings | None = Field(
        default=None, description="Prometheus, Alertmanager and Grafana: {}, or {storage: {…}}"
    )
    logging: LoggingSettings | None = Field(
        default=None, description="logs of all pods, by Loki: {}, or {storage: {…}}"
    )
    local_path: bool = Field(
        default=True, description="k3s's own volumes on the nodes' disks; false to leave them out"
    )
    servicelb: bool = Field(
        default=True, description="k3s's own balancer for Services; false to leave it out"
    )
    metrics_server: bool = Field(
        default=True, description="k3s's own metrics-server, for kubectl top; false to leave it out"
    )
    ingress: IngressSettings | None = Field(
        default=None,
        description="k3s's Traefik: {} opens ports 80 and 443, {enabled: false} leaves it out",
    )
    network_policies: NetworkPoliciesSettings | None = Field(
        default=None,
        description="closed namespaces: {namespaces: {shop: {deny: [ingress, egress]}}}",
    )
    rook: RookSettings | None = Field(
        default=None, description="Rook (Ceph) on raw disks: {}, {filesystem: true}, …"
    )
    longhorn: LonghornSettings | None = Field(
        default=None, description="Longhorn on the nodes' filesystems: {}, {replicas: 2}, …"
    )
    cert_manager: CertManagerSettings | None = Field(
        default=None, description="cert-manager: {} or {letsEncrypt: {email: ops@company.tld}}"
    )

    def written(self) -> Mapping[str, Settings]:
        """Settings of add-ons, by key as it is written, in the order of the table."""
        fields = {field.alias or name: name for name, field in type(self).model_fields.items()}
        found = {key: getattr(self, fields[key]) for key in KINDS}
        return {key: settings for key, settings in found.items() if settings is not None}

    def chosen(self) -> Mapping[str, Settings]:
        """The same of those that are to be there."""
        return {key: given for key, given in self.written().items() if KINDS[key].on(given)}

    def profiles(self) -> tuple[Profile, ...]:
        """Rows of the firewall that the chosen add-ons need."""
        asked = (KINDS[key].profiles(given) for key, given in self.chosen().items())
        return tuple(dict.fromkeys(profile for profiles in asked for profile in profiles))

    def features(self) -> tuple[Feature, ...]:
        """What the chosen add-ons need of every machine."""
        asked = (feature for key in self.chosen() for feature in KINDS[key].features)
        return tuple(dict.fromkeys(asked))

    def labels(self, group: str) -> Mapping[str, str]:
        """What the chosen add-ons need of a group's nodes."""
        asked = (KINDS[key].labels(given, group) for key, given in self.chosen().items())
        return {name: value for labels in asked for name, value in labels.items()}

    def cloud_parts(self) -> frozenset[CloudPart]:
        """What of the chosen add-ons speaks to the cloud."""
        return frozenset(
            part for key, given in self.chosen().items() for part in KINDS[key].cloud(given)
        )

    def storage(self) -> frozenset[str]:
        """Keys of the chosen add-ons that bring storage classes."""
        return frozenset(
            key for key, given in self.chosen().items() if KINDS[key].brings_classes(given)
        )

    def k3s(self, settings: K3sSettings) -> K3sSettings:
        """k3s as the chosen add-ons need it: without what they take the place of."""
        for key, given in self.chosen().items():
            settings = KINDS[key].k3s(given, settings)
        disable = [part for name, part in PACKAGED.items() if not getattr(self, name)]
        if self.ingress is not None and not self.ingress.enabled:
            disable.append(ingress.PACKAGED)
        disable += [part for key in self.chosen() for part in KINDS[key].disables]
        return settings.model_copy(
            update={"disable": tuple(dict.fromkeys([*settings.disable, *disable]))}
        )


def problems(addons: Addons, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from charts.problems(addons.charts)
    yield from _packaged(addons, asked)
    yield from _default_classes(addons)
    for key, settings in addons.written().items():
        for chart in filter(methodcaller("wanted", settings), KINDS[key].charts):
            if chart.platform and chart.platform not in {node.platform for node in asked.nodes}:
                continue
            version = getattr(settings, chart.setting)
            said = type(settings).model_fields[chart.setting].alias
            yield from charts.file_problems(addons.charts, chart, version, f"{key}.{said}")
        yield from KINDS[key].problems(settings, asked)


def _packaged(addons: Addons, asked: AddonAsked) -> Iterator[Problem]:
    """Parts of k3s that are asked for in one place and left out in another."""
    for name, part in PACKAGED.items():
        said = Addons.model_fields[name].alias
        if name in addons.model_fields_set and getattr(addons, name) and part in asked.disabled:
            yield Problem(
                key=f"addons.{said}",
                given=True,
                why=f"k3s.disable, or an add-on that takes its place, leaves {part} out",
                write=f"leave {said} out, or that",
            )


def _default_classes(addons: Addons) -> Iterator[Problem]:
    """k3s's local-path is not counted: of two default classes the younger one holds."""
    keys = [key for key, given in addons.chosen().items() if KINDS[key].default_class(given)]
    for key in keys[1:]:
        yield Problem(
            key=f"addons.{key}.defaultClass",
            given=f"{keys[0]}'s is one as well",
            why="which of two a claim without a class gets, depends on when they were made",
            write=f"leave defaultClass out here, or in addons.{keys[0]}",
        )
