"""The add-ons that a cluster may have, each by its key, and what they ask of k3s itself."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from components.addons import charts
from components.addons.addon import AddonAsked, AddonSettings
from components.addons.cert_manager import CertManagerSettings
from components.addons.charts import ChartSource
from components.addons.kinds import KINDS
from components.addons.metallb import MetallbSettings
from components.addons.prometheus import PrometheusSettings
from components.k3s.settings import K3sSettings
from components.network import Profile
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
    metallb: MetallbSettings | None = Field(
        default=None, description="MetalLB: {pools: {main: {addresses: [FIRST-LAST]}}}"
    )
    prometheus: PrometheusSettings | None = Field(
        default=None, description="Prometheus, Alertmanager and Grafana: {}, or {storage: {…}}"
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
    cert_manager: CertManagerSettings | None = Field(
        default=None, description="cert-manager: {} or {letsEncrypt: {email: ops@company.tld}}"
    )

    def chosen(self) -> Mapping[str, AddonSettings]:
        """The add-ons that are chosen, by key as it is written, in the order of the table."""
        fields = {field.alias or name: name for name, field in type(self).model_fields.items()}
        found = {key: getattr(self, fields[key]) for key in KINDS}
        return {key: settings for key, settings in found.items() if settings is not None}

    def profiles(self) -> tuple[Profile, ...]:
        """Rows of the firewall that the chosen add-ons need."""
        return tuple(profile for key in self.chosen() for profile in KINDS[key].profiles)

    def k3s(self, settings: K3sSettings) -> K3sSettings:
        """k3s as the chosen add-ons need it: without what they take the place of."""
        disable = [part for name, part in PACKAGED.items() if not getattr(self, name)]
        disable += [part for key in self.chosen() for part in KINDS[key].disables]
        return settings.model_copy(
            update={"disable": tuple(dict.fromkeys([*settings.disable, *disable]))}
        )


def problems(addons: Addons, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from charts.problems(addons.charts)
    for key, settings in addons.chosen().items():
        for chart in KINDS[key].charts:
            version = getattr(settings, chart.setting)
            said = type(settings).model_fields[chart.setting].alias
            yield from charts.file_problems(addons.charts, chart, version, f"{key}.{said}")
        yield from KINDS[key].problems(settings, asked)
