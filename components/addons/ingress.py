"""The packaged Traefik: k3s installs it by itself, this says how, or that it is left out.

Source: https://docs.k3s.io/networking/networking-services#traefik-ingress-controller and
https://docs.k3s.io/add-ons/helm#customizing-packaged-components-with-helmchartconfig.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import yaml
from pydantic import Field

from components.addons.addon import AddonAsked, Site, custom, merged
from components.problems import Problem
from components.settings import Settings

PACKAGED = "traefik"


class IngressSettings(Settings):
    """Ingresses are answered by k3s's Traefik, on ports 80 and 443 of the nodes."""

    enabled: bool = Field(default=True, description="false: k3s runs without Traefik")
    gateway_api: bool = Field(
        default=False, description="true: Traefik answers for Gateways and HTTPRoutes too"
    )
    values: Mapping[str, Any] = Field(
        default_factory=dict,
        description="further values of Traefik's chart, merged last, such as {logs: {access: …}}",
    )


def problems(settings: IngressSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    if not settings.enabled and (settings.gateway_api or settings.values):
        yield Problem(
            key="addons.ingress",
            given="gatewayApi or values",
            why="enabled is false, so there is no Traefik to be told",
            write="write enabled: true, or leave them out",
        )
    if settings.enabled and PACKAGED in asked.disabled:
        yield Problem(
            key="addons.ingress",
            given="enabled: true",
            why="k3s.disable leaves traefik out",
            write="take traefik out of k3s.disable, or write enabled: false",
        )


class Ingress(pulumi.ComponentResource):
    """Traefik's values, where there are any: k3s's own controller upgrades the release."""

    def __init__(
        self,
        name: str,
        *,
        settings: IngressSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Ingress", name, None, opts)
        if values := chart_values(settings):
            custom("traefik-values", helm_chart_config(values), site=site, parent=self, after=[])
        self.register_outputs({})


def chart_values(settings: IngressSettings) -> dict[str, Any]:
    """Of Traefik's chart."""
    return merged(_gateways() if settings.gateway_api else {}, settings.values)


def _gateways() -> dict[str, Any]:
    """The provider, and a Gateway on port 80 that takes routes of every namespace."""
    return {
        "providers": {"kubernetesGateway": {"enabled": True}},
        # As with Ingresses; by itself it would take those of kube-system alone.
        "gateway": {"listeners": {"web": {"namespacePolicy": {"from": "All"}}}},
    }


def helm_chart_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """By which k3s is told of them: of the packaged chart's name, in its namespace."""
    return {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChartConfig",
        "metadata": {"name": PACKAGED, "namespace": "kube-system"},
        "spec": {"valuesContent": yaml.safe_dump(dict(values), sort_keys=True)},
    }
