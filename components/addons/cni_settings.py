"""Settings of the network plugin, and what cannot be right about them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from components.addons import cni_values as told
from components.addons.addon import AddonAsked, AddonSettings
from components.k3s.settings import K3sSettings
from components.network import Profile
from components.problems import Problem


class CniSettings(AddonSettings):
    """Calico or Cilium. Pods' packets go from node to node by VXLAN, in WireGuard if asked."""

    version: str = Field(
        default="",
        description="version of the chart; left out, "
        + " or ".join(f"{version} ({plugin})" for plugin, version in told.VERSIONS.items()),
    )
    plugin: Literal["calico", "cilium"] = Field(description="calico or cilium")
    encryption: Literal["none", "wireguard"] = Field(
        default="none", description="none, or wireguard between pods of different nodes"
    )
    kube_proxy_replacement: bool = Field(
        default=False,
        description="true: Cilium serves Services and host ports, and k3s runs no kube-proxy",
    )
    flows: bool = Field(
        default=False,
        description="true: who speaks with whom is gathered and shown, by Whisker or Hubble",
    )

    @model_validator(mode="before")
    @classmethod
    def _the_plugins_own_version(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "version" in given:
            return given
        return {**given, "version": told.VERSIONS.get(str(given.get("plugin")), "")}


def k3s(settings: CniSettings, given: K3sSettings) -> K3sSettings:
    """k3s without its own pod network, and without kube-proxy where that is replaced."""
    proxy = given.kube_proxy and not settings.kube_proxy_replacement
    return given.model_copy(update={"flannel_backend": "none", "kube_proxy": proxy})


def profiles(settings: CniSettings) -> tuple[Profile, ...]:
    """The plugin's rows of the firewall."""
    found: list[Profile] = [settings.plugin]
    if settings.encryption == "wireguard":
        found.append("calico-wireguard" if settings.plugin == "calico" else "cilium-wireguard")
    if settings.flows and settings.plugin == "cilium":
        found.append("cilium-hubble")
    return tuple(found)


def problems(settings: CniSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    networks = sorted({node.network for node in asked.nodes})
    if len(networks) > 1:
        yield Problem(
            key="addons.cni",
            given=settings.plugin,
            why=f"nodes are on {', '.join(networks)}, and it joins them by private addresses",
            write="leave it out: flannel's wireguard-native is the default there",
        )
    if asked.k3s is not None:
        yield from _beside(settings, asked.k3s, asked)
    yield from _services(settings, asked)
    yield from _by_values(settings)


def _beside(settings: CniSettings, given: K3sSettings, asked: AddonAsked) -> Iterator[Problem]:
    if given.flannel_backend not in (None, "none"):
        yield Problem(
            key="k3s.flannelBackend",
            given=given.flannel_backend,
            why=f"addons.cni puts {settings.plugin} in flannel's place",
            write="leave it out, or addons.cni",
        )
    if given.dual_stack and any(node.platform == "digitalocean" for node in asked.nodes):
        yield Problem(
            key="k3s.clusterCidrIpv6",
            given=given.cluster_cidr_ipv6,
            why=f"the VPC has no IPv6, and {settings.plugin} joins nodes by private addresses",
            write="leave clusterCidrIpv6 and serviceCidrIpv6 out, or addons.cni",
        )
    if not given.kube_proxy and not settings.kube_proxy_replacement:
        yield Problem(
            key="k3s.kubeProxy",
            given=False,
            why=f"beside {settings.plugin} as it is set, nobody would serve Services",
            write="leave it out, or write plugin: cilium and kubeProxyReplacement: true",
        )


def _services(settings: CniSettings, asked: AddonAsked) -> Iterator[Problem]:
    if settings.kube_proxy_replacement and settings.plugin != "cilium":
        yield Problem(
            key="addons.cni.kubeProxyReplacement",
            given=True,
            why=f"beside {settings.plugin} it is kube-proxy that serves Services",
            write="leave it out, or write plugin: cilium",
        )
    serves_host_ports = settings.plugin != "cilium" or settings.kube_proxy_replacement
    if not serves_host_ports and "servicelb" not in asked.disabled:
        yield Problem(
            key="addons.cni",
            given=settings.plugin,
            why="beside kube-proxy it serves no host ports, on which k3s's own balancer stands",
            write="add kubeProxyReplacement: true, or leave the balancer out by servicelb: false",
        )


def _by_values(settings: CniSettings) -> Iterator[Problem]:
    for path, instead in told.SAID_BY_SETTINGS[settings.plugin].items():
        given = _found(settings.values, path.split("."))
        if given is not None:
            yield Problem(
                key=f"addons.cni.values.{path}",
                given=given,
                why="firewall and k3s follow the settings, and would not know of it",
                write=instead,
            )


def _found(values: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return None
        values = values[key]
    return values
