"""Logs of all pods: a collector on every node, Loki as their store, Grafana to look at them.

Sources: https://github.com/grafana-community/helm-charts, chart loki, and
https://github.com/open-telemetry/opentelemetry-helm-charts, chart opentelemetry-collector.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pydantic import Field, field_validator

from components.addons import logging_values as told
from components.addons.addon import (
    AddonAsked,
    AddonSettings,
    Site,
    claim,
    config_map,
    custom,
    namespace,
    release,
)
from components.addons.charts import Chart
from components.addons.logging_collector import collector_values
from components.addons.volumes import class_problems
from components.problems import Problem
from components.settings import Settings

LOKI = Chart(name="loki", repository="https://grafana-community.github.io/helm-charts")
COLLECTOR = Chart(
    name="opentelemetry-collector",
    repository="https://open-telemetry.github.io/opentelemetry-helm-charts",
    setting="collector_version",
    values="collector_values",
)
_GRAFANA = "prometheus"
# Loki's own form, in whole days: it deletes by tables of one day, and keeps no less.
_DAYS = re.compile(r"(?=.)([1-9]\d*w)?([1-9]\d*d)?")
# RFC 1123 label, as namespaces are named.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Storage(Settings):
    """A volume, rather than what is gone when Loki's pod is."""

    storage_class: str | None = Field(
        default=None,
        description="storage class, such as local-path; the cluster's default class otherwise",
    )
    size: int = Field(default=10, ge=1, description="GiB for logs")


class LoggingSettings(AddonSettings):
    """Logs of all pods, by Loki. `values` are those of the chart loki."""

    version: str = Field(
        default="18.11.0", description="version of the chart loki, such as 18.11.0"
    )
    collector_version: str = Field(
        default="0.170.0",
        description="version of the chart opentelemetry-collector, such as 0.170.0",
    )
    collector_values: Mapping[str, Any] = Field(
        default_factory=dict,
        description="further values of opentelemetry-collector, merged last",
    )
    retention: str = Field(default="14d", description="how long logs are kept, such as 14d or 4w")
    storage: Storage | None = Field(
        default=None,
        description="a volume: {storageClass: local-path, size: 20}; without it, what is kept "
        "goes with its pod",
    )
    exclude_namespaces: tuple[str, ...] = Field(
        default=(), description="namespaces whose logs are not kept, such as [kube-system]"
    )

    @field_validator("retention")
    @classmethod
    def _days(cls, value: str) -> str:
        if not _DAYS.fullmatch(value):
            raise ValueError("not whole days or weeks, such as 14d or 4w")
        return value


def problems(settings: LoggingSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    for name in settings.exclude_namespaces:
        if not _NAME.fullmatch(name):
            yield Problem(
                key="addons.logging.excludeNamespaces",
                given=name,
                why="not a namespace's name",
                write="write names in full, such as kube-system",
            )
    if settings.storage:
        key = "addons.logging.storage.storageClass"
        yield from class_problems(key, settings.storage.storage_class, asked)


class Logging(pulumi.ComponentResource):
    """Loki, its collector, and how Grafana finds it where there is one."""

    def __init__(
        self,
        name: str,
        *,
        settings: LoggingSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Logging", name, None, opts)
        self._settings, self._site = settings, site
        grafana = _GRAFANA in site.chosen
        # The collector reads files of the host, which no lower level allows.
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        self._namespace = namespace(told.NAMESPACE, site, self, labels)
        closed = [
            custom(f"logging-{key}", body, site=site, parent=self, after=[self._namespace])
            for key, body in told.policies(grafana=grafana).items()
        ]
        volume = [self._claim(settings.storage)] if settings.storage else []
        self._release(told.LOKI, LOKI, told.loki_values(settings), [*closed, *volume])
        self._release(told.COLLECTOR, COLLECTOR, collector_values(settings), closed)
        if grafana:
            self._data_source()
        self.register_outputs({})

    def _claim(self, storage: Storage) -> pulumi.Resource:
        return claim(
            told.claim_name(storage),
            storage.storage_class,
            storage.size,
            into=self._namespace,
            site=self._site,
            parent=self,
        )

    def _release(
        self, name: str, chart: Chart, values: Mapping[str, Any], after: Sequence[pulumi.Resource]
    ) -> None:
        release(
            name,
            chart,
            self._settings,
            values,
            into=self._namespace,
            site=self._site,
            parent=self,
            after=after,
        )

    def _data_source(self) -> None:
        """Grafana's sidecar finds it by its label, whichever of the two is there first."""
        config_map(
            "loki-data-source",
            {"loki.yaml": told.data_source()},
            labels={"grafana_datasource": "1"},
            into=self._namespace,
            site=self._site,
            parent=self,
        )
