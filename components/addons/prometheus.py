"""Prometheus, Alertmanager and Grafana: the chart kube-prometheus-stack, fitted to k3s.

Source: https://github.com/prometheus-community/helm-charts, chart kube-prometheus-stack.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import yaml
from pulumi_random import RandomPassword
from pydantic import Field, field_validator

from components.addons import alertmanager, secret_values
from components.addons.addon import (
    AddonAsked,
    AddonSettings,
    Site,
    namespace,
    release,
    secret,
)
from components.addons.alertmanager import Alertmanager
from components.addons.charts import Chart
from components.addons.prometheus_values import (
    ADMIN_PASSWORD,
    ADMIN_SECRET,
    ADMIN_USER,
    ALERTMANAGER_SECRET,
    chart_values,
)
from components.addons.volumes import class_problems
from components.problems import Problem
from components.settings import Settings

CHART = Chart(
    name="kube-prometheus-stack",
    repository="https://prometheus-community.github.io/helm-charts",
)
_NAMESPACE = "monitoring"
_ADMIN = "admin"
# Letters and digits alone: 32 of them are 190 bits.
_PASSWORD_LENGTH = 32
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# The Prometheus operator's own form of a duration.
_DURATION = re.compile(
    r"(?=.)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?",
)


class Storage(Settings):
    """Volumes, rather than what is gone when a pod is."""

    storage_class: str | None = Field(
        default=None,
        description="storage class, such as local-path; the cluster's default class otherwise",
    )
    prometheus: int = Field(default=20, ge=1, description="GiB for metrics")
    alertmanager: int = Field(default=1, ge=1, description="GiB for silences")
    grafana: int = Field(default=1, ge=1, description="GiB for dashboards that people make")


class Dashboard(Settings):
    """A dashboard of https://grafana.com/grafana/dashboards."""

    id: int = Field(ge=1, description="its number there, such as 8588")
    revision: int = Field(ge=1, description="its revision there: it is pinned, such as 1")


def _default_dashboards() -> dict[str, Dashboard]:
    # Revision 1 is what public Helm values pin of both.
    return {
        "workloads": Dashboard(id=8588, revision=1),
        "pods": Dashboard(id=6879, revision=1),
    }


class PrometheusSettings(AddonSettings):
    """Metrics of nodes, k3s and workloads, alerts, and dashboards."""

    version: str = Field(default="88.5.3", description="version of the chart, such as 88.5.3")
    retention: str = Field(
        default="10d", description="how long metrics are kept, such as 10d or 1w12h"
    )
    storage: Storage | None = Field(
        default=None,
        description="volumes: {storageClass: local-path, prometheus: 20}; without it, what is "
        "kept goes with its pod",
    )
    dashboards: Mapping[str, Dashboard] = Field(
        default_factory=_default_dashboards,
        description="dashboards of grafana.com by a name: workloads: {id: 8588, revision: 1}; "
        "{} for none",
    )
    alertmanager: Alertmanager = Field(
        default_factory=Alertmanager, description="who is told of alerts: {receivers: {…}}"
    )

    @field_validator("retention")
    @classmethod
    def _duration(cls, value: str) -> str:
        if not _DURATION.fullmatch(value):
            raise ValueError("not a duration that Prometheus reads")
        return value


def problems(settings: PrometheusSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    for name in settings.dashboards:
        if not _NAME.fullmatch(name):
            yield Problem(
                key="addons.prometheus.dashboards",
                given=name,
                why="a file is named after it",
                write="write at most 63 of a-z, 0-9 and -, such as workloads",
            )
    if settings.storage:
        key = "addons.prometheus.storage.storageClass"
        yield from class_problems(key, settings.storage.storage_class, asked)
    yield from alertmanager.problems(settings.alertmanager, asked.secrets)


class Prometheus(pulumi.ComponentResource):
    """Gives `grafana_password` (secret), of the user admin."""

    grafana_password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: PrometheusSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Prometheus", name, None, opts)
        # Node exporters use the host's network and files, which no lower level allows.
        into = namespace(
            _NAMESPACE, site, self, {"pod-security.kubernetes.io/enforce": "privileged"}
        )
        password = RandomPassword(
            f"{site.cluster}-grafana-password",
            length=_PASSWORD_LENGTH,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.grafana_password = pulumi.Output.secret(password.result)
        admin: dict[str, pulumi.Input[str]] = {
            ADMIN_USER: _ADMIN,
            ADMIN_PASSWORD: self.grafana_password,
        }
        given = [secret(ADMIN_SECRET, admin, into=into, site=site, parent=self)]
        if (config := _alertmanager_config(settings, site)) is not None:
            held = {"alertmanager.yaml": config}
            given.append(secret(ALERTMANAGER_SECRET, held, into=into, site=site, parent=self))
        release(
            "prometheus",
            CHART,
            settings,
            chart_values(settings),
            into=into,
            site=site,
            parent=self,
            after=given,
        )
        self.register_outputs({"grafanaPassword": self.grafana_password})


def _alertmanager_config(settings: PrometheusSettings, site: Site) -> pulumi.Output[str] | None:
    config = alertmanager.configuration(settings.alertmanager)
    if config is None:
        return None
    return secret_values.resolved(config, site.secrets).apply(_dumped)


def _dumped(config: Any) -> str:
    return yaml.safe_dump(config, sort_keys=False)
