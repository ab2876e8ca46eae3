"""cert-manager: certificates for Ingresses, asked for and renewed by themselves.

An Ingress with the annotation kubernetes.io/tls-acme: "true" gets one from the default issuer, with
cert-manager.io/cluster-issuer: NAME from the issuer of that name.
Source: https://cert-manager.io/docs/usage/ingress and /docs/configuration.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pulumi
from pydantic import Field

from components.addons import webhook
from components.addons.addon import AddonAsked, AddonSettings, Site, custom, namespace, release
from components.addons.charts import Chart
from components.problems import Problem
from components.settings import Settings
from components.topology import CLOUDS

CHART = Chart(name="cert-manager", repository="https://charts.jetstack.io")
_NAMESPACE = "cert-manager"
_GROUP = "cert-manager.io"
_SELF_SIGNED = "self-signed"
# https://letsencrypt.org/docs/acme-protocol-updates and /docs/staging-environment
_DIRECTORIES = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
# Let's Encrypt takes no address of RFC 2606's example domains, and each account has one.
_EMAIL = re.compile(r"[^@\s]+@(?!example\.(?:com|net|org)$)[^@\s.]+(\.[^@\s.]+)+")
# https://letsencrypt.org/docs/challenge-types
_CHALLENGE_PORT = 80
# Packaged with k3s under this name.
_TRAEFIK = "traefik"


class LetsEncrypt(Settings):
    """Certificates that every browser takes, proven by HTTP-01: port 80, from the internet."""

    email: str = Field(description="whom Let's Encrypt writes to, such as ops@company.tld")
    servers: tuple[Literal["staging", "production"], ...] = Field(
        default=("staging", "production"),
        min_length=1,
        description="[staging, production] or one of them; staging is for tries, without limits",
    )
    ingress_class: str = Field(
        default=_TRAEFIK, description="the ingress class that answers the challenges: traefik"
    )


class CertManagerSettings(AddonSettings):
    """Issuers: letsencrypt-production, letsencrypt-staging and self-signed, as chosen."""

    version: str = Field(default="v1.21.1", description="version of the chart, such as v1.21.1")
    lets_encrypt: LetsEncrypt | None = Field(
        default=None, description="{email: ops@company.tld}; servers and ingressClass if other"
    )
    self_signed: bool = Field(
        default=True, description="false: without the issuer self-signed, which no browser trusts"
    )
    default_issuer: str | None = Field(
        default=None,
        description="whose certificates an Ingress gets that names no issuer: "
        "letsencrypt-production, letsencrypt-staging or self-signed",
    )

    def default(self) -> str:
        """The default issuer: the one that is named, or else the best trusted."""
        return self.default_issuer or next(iter(issuers(self)))


def problems(settings: CertManagerSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    if settings.default_issuer and settings.default_issuer not in issuers(settings):
        yield Problem(
            key="addons.certManager.defaultIssuer",
            given=settings.default_issuer,
            why="these settings make no issuer of that name",
            write=f"write one of {', '.join(issuers(settings)) or 'those that you choose'}, "
            "or leave it out",
        )
    if not issuers(settings):
        yield Problem(
            key="addons.certManager",
            given="no issuer",
            why="cert-manager signs nothing without one",
            write="leave selfSigned out, or write letsEncrypt: {email: …}",
        )
    if settings.lets_encrypt is not None:
        yield from _lets_encrypt(settings.lets_encrypt, asked)


def _lets_encrypt(settings: LetsEncrypt, asked: AddonAsked) -> Iterator[Problem]:
    key = "addons.certManager.letsEncrypt"
    if not _EMAIL.fullmatch(settings.email):
        yield Problem(
            key=f"{key}.email",
            given=settings.email,
            why="Let's Encrypt opens no account for it",
            write="write an address that is read, such as ops@company.tld",
        )
    if asked.nodes and all(node.platform == "local" for node in asked.nodes):
        yield Problem(
            key=key,
            given=list(settings.servers),
            why="it asks from the internet at port 80, where containers of this machine are not",
            write="leave it out; the issuer self-signed is there by itself",
        )
    if _cloud(asked) and not _challenges_come_in(asked):
        yield Problem(
            key=key,
            given=list(settings.servers),
            why="it asks at port 80, which the firewall lets nobody reach",
            write="add ingress to network.profiles (cloud-balancers: where a balancer of the "
            "cloud's stands before the ingress controller)",
        )
    if settings.ingress_class == _TRAEFIK and _TRAEFIK in asked.disabled:
        yield Problem(
            key=f"{key}.ingressClass",
            given=settings.ingress_class,
            why="k3s runs without traefik, so nobody would answer the challenges",
            write="write the class of the ingress controller that is there instead",
        )


def _cloud(asked: AddonAsked) -> bool:
    return any(node.platform in CLOUDS for node in asked.nodes)


def _challenges_come_in(asked: AddonAsked) -> bool:
    """Whether port 80 is open to the internet, on nodes or on the cloud's balancers."""
    return any(
        row.source == "balancers"
        or (
            row.protocol == "tcp"
            and row.port_range()[0] <= _CHALLENGE_PORT <= row.port_range()[1]
            and any(cidr.prefixlen == 0 for cidr in row.cidrs)
        )
        for row in asked.rows
    )


class CertManager(pulumi.ComponentResource):
    """Gives `issuers`, the names of the cluster's issuers, known when they are in force.

    `default_issuer` is the one for Ingresses that name none.
    """

    issuers: pulumi.Output[Sequence[str]]
    default_issuer: str

    def __init__(
        self,
        name: str,
        *,
        settings: CertManagerSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:CertManager", name, None, opts)
        into = namespace(_NAMESPACE, site, self)
        deployed = release(
            "cert-manager",
            CHART,
            settings,
            chart_values(settings),
            into=into,
            site=site,
            parent=self,
        )
        bodies = issuers(settings)
        asked = webhook.answers(
            "cert-manager", list(bodies.values()), site=site, parent=self, after=[deployed]
        )
        made = [
            custom(f"issuer-{key}", body, site=site, parent=self, after=[deployed, asked])
            for key, body in bodies.items()
        ]
        self.default_issuer = settings.default()
        self.issuers = pulumi.Output.all(*(m.id for m in made)).apply(lambda _: list(bodies))
        self.register_outputs({"issuers": self.issuers, "defaultIssuer": self.default_issuer})


def chart_values(settings: CertManagerSettings) -> dict[str, Any]:
    """The definitions outlive the release: every certificate would go with them."""
    return {
        "crds": {"enabled": True, "keep": True},
        # The webhook is asked by a step of its own, bounded, about the very issuers to be made.
        "startupapicheck": {"enabled": False},
        "ingressShim": {
            "defaultIssuerName": settings.default(),
            "defaultIssuerKind": "ClusterIssuer",
            "defaultIssuerGroup": _GROUP,
        },
    }


def issuers(settings: CertManagerSettings) -> dict[str, dict[str, Any]]:
    """The cluster's issuers by name, the best trusted first."""
    found: dict[str, dict[str, Any]] = {}
    if asked := settings.lets_encrypt:
        for server, directory in _DIRECTORIES.items():
            if server in asked.servers:
                name = f"letsencrypt-{server}"
                found[name] = _issuer(name, {"acme": _acme(name, directory, asked)})
    if settings.self_signed:
        found[_SELF_SIGNED] = _issuer(_SELF_SIGNED, {"selfSigned": {}})
    return found


def _acme(name: str, directory: str, settings: LetsEncrypt) -> dict[str, Any]:
    ingress = {"ingressClassName": settings.ingress_class}
    return {
        "server": directory,
        "email": settings.email,
        # cert-manager makes the account's key and keeps it here, in its own namespace.
        "privateKeySecretRef": {"name": f"{name}-account"},
        "solvers": [{"http01": {"ingress": ingress}}],
    }


def _issuer(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name},
        "spec": spec,
    }
