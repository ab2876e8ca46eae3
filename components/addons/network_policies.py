"""Who may speak with a namespace's pods: nobody, but for what is chosen.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies. k3s enforces them
by itself: https://docs.k3s.io/networking/networking-services#network-policy-controller.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pulumi
from pydantic import Field

from components.addons.addon import AddonAsked, Site, custom, namespace
from components.problems import Problem
from components.settings import Settings

Direction = Literal["ingress", "egress"]
# RFC 1123 label, as namespaces are named.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_PORT = 53


class NamespacePolicies(Settings):
    """What holds for all pods of one namespace, beside policies of your own."""

    create: bool = Field(
        default=True, description="false: the namespace is there already, such as default"
    )
    deny: tuple[Direction, ...] = Field(
        default=("ingress", "egress"), min_length=1, description="[ingress, egress], or one of them"
    )
    dns: bool = Field(default=True, description="true: pods may ask the cluster's DNS")
    within: bool = Field(
        default=False, description="true: pods of the namespace may speak with each other"
    )


class NetworkPoliciesSettings(Settings):
    """Namespaces whose pods are closed."""

    namespaces: Mapping[str, NamespacePolicies] = Field(
        min_length=1, description="namespaces by name: shop: {deny: [ingress, egress], dns: true}"
    )


def problems(settings: NetworkPoliciesSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    for name, policies in settings.namespaces.items():
        key = f"addons.networkPolicies.namespaces.{name}"
        if not _NAME.fullmatch(name):
            yield Problem(
                key=key,
                given=name,
                why="not a namespace's name",
                write="write at most 63 of a-z, 0-9 and -, such as shop",
            )
        if name.startswith("kube-"):
            yield Problem(
                key=key,
                given=name,
                why="k3s's own parts would be cut off from their cluster",
                write="leave it out",
            )
        if name == "default" and policies.create:
            yield Problem(
                key=f"{key}.create",
                given=True,
                why="Kubernetes makes that namespace, and it cannot be taken away",
                write="write create: false",
            )
    if asked.k3s and asked.k3s.flannel_backend == "none" and "cni" not in asked.chosen:
        yield Problem(
            key="addons.networkPolicies",
            given=", ".join(settings.namespaces),
            why="with k3s.flannelBackend: none k3s enforces no policies, and no add-on does",
            write="leave it out, and make the policies with the network plugin that you install",
        )


class NetworkPolicies(pulumi.ComponentResource):
    """The policies, and the namespaces that are made for them."""

    def __init__(
        self,
        name: str,
        *,
        settings: NetworkPoliciesSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:NetworkPolicies", name, None, opts)
        for where, policies in settings.namespaces.items():
            made = [namespace(where, site, self)] if policies.create else []
            for key, body in objects(where, policies).items():
                custom(f"{where}-{key}", body, site=site, parent=self, after=made)
        self.register_outputs({})


def objects(where: str, policies: NamespacePolicies) -> dict[str, dict[str, Any]]:
    """Of one namespace, by a name for each."""
    found = {"default-deny": _policy(where, "default-deny", policies.deny)}
    if policies.dns and "egress" in policies.deny:
        found["allow-dns"] = _policy(where, "allow-dns", ("egress",), egress=[_dns()])
    if policies.within:
        each: dict[str, Any] = {"podSelector": {}}
        rules = {"ingress": [{"from": [each]}], "egress": [{"to": [each]}]}
        open_ = {direction: rules[direction] for direction in policies.deny}
        found["allow-within"] = _policy(where, "allow-within", policies.deny, **open_)
    return found


def _dns() -> dict[str, Any]:
    """CoreDNS, as k3s runs it."""
    pods = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"protocol": protocol, "port": _DNS_PORT} for protocol in ("UDP", "TCP")]
    return {"to": [pods], "ports": ports}


def _policy(
    where: str, name: str, directions: Sequence[Direction], **rules: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "podSelector": {},
            "policyTypes": [direction.capitalize() for direction in directions],
            **rules,
        },
    }
