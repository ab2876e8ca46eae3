"""MetalLB: addresses for Services of type LoadBalancer, where no cloud gives them.

A Service asks for one address by the annotation metallb.io/loadBalancerIPs.
Source: https://metallb.io/installation and https://metallb.io/configuration.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pulumi
from pydantic import Field

from components.addons import webhook
from components.addons.addon import AddonAsked, AddonSettings, Site, custom, namespace, release
from components.addons.charts import Chart
from components.problems import Problem
from components.settings import Settings
from components.topology import CLOUDS

CHART = Chart(name="metallb", repository="https://metallb.github.io/metallb")
_NAMESPACE = "metallb-system"
_API = "metallb.io/v1beta1"
_API_BGP_PEER = "metallb.io/v1beta2"


class Pool(Settings):
    """Addresses to give away."""

    addresses: tuple[str, ...] = Field(
        min_length=1, description="CIDRs or ranges, such as [10.121.0.2-10.121.0.9]"
    )
    auto_assign: bool = Field(
        default=True, description="false: only for Services that ask for the pool or an address"
    )


class BgpPeer(Settings):
    """A router that takes the addresses."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address = Field(
        description="the router's address, such as 10.0.0.1"
    )
    asn: int = Field(ge=1, le=2**32 - 1, description="the router's AS number, such as 64500")


class Bgp(Settings):
    """Announced to routers, rather than on the nodes' own network."""

    asn: int = Field(ge=1, le=2**32 - 1, description="the cluster's AS number, such as 64512")
    peers: Mapping[str, BgpPeer] = Field(
        min_length=1, description="routers by name: tor: {address: 10.0.0.1, asn: 64500}"
    )


class MetallbSettings(AddonSettings):
    """Pools of addresses, announced by ARP and NDP (l2) or to routers (bgp)."""

    version: str = Field(default="0.16.1", description="version of the chart, such as 0.16.1")
    pools: Mapping[str, Pool] = Field(
        min_length=1,
        description="pools by name: main: {addresses: [10.121.0.2-10.121.0.9]}",
    )
    mode: Literal["l2", "bgp"] = Field(default="l2", description="l2 or bgp")
    bgp: Bgp | None = Field(
        default=None, description="with mode bgp: {asn: 64512, peers: {tor: {address: …, asn: …}}}"
    )


def problems(settings: MetallbSettings, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    for cloud in sorted({node.platform for node in asked.nodes} & set(CLOUDS)):
        yield Problem(
            key="addons.metallb",
            given=settings.mode,
            why=f"{cloud} carries no addresses that nodes announce by ARP or BGP",
            write="leave it out; Services get the cloud's own balancers there",
        )
    for name, pool in settings.pools.items():
        for text in pool.addresses:
            if not _is_range(text):
                yield Problem(
                    key=f"addons.metallb.pools.{name}.addresses",
                    given=text,
                    why="neither a CIDR nor a range",
                    write="write 10.121.0.4/30, or 10.121.0.2-10.121.0.9",
                )
    if (settings.mode == "bgp") != (settings.bgp is not None):
        yield Problem(
            key="addons.metallb.bgp",
            given=settings.bgp and "an object",
            why=f"mode is {settings.mode}",
            write="write mode: bgp and bgp: {asn: …, peers: …} together, or neither",
        )


def _is_range(text: str) -> bool:
    low, dash, high = text.partition("-")
    try:
        if not dash:
            ipaddress.ip_network(text)
            # Of a lone address or a netmask MetalLB's webhook says: invalid CIDR.
            return text.partition("/")[2].isdigit()
        first, last = ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    except ValueError:
        return False
    return first.version == last.version and int(first) <= int(last)


class Metallb(pulumi.ComponentResource):
    """Gives `pools`, the names of the pools, known when they are in force."""

    pools: pulumi.Output[Sequence[str]]

    def __init__(
        self,
        name: str,
        *,
        settings: MetallbSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Metallb", name, None, opts)
        # Speakers use the host's network, which no lower level allows.
        into = namespace(
            _NAMESPACE, site, self, {"pod-security.kubernetes.io/enforce": "privileged"}
        )
        deployed = release(
            "metallb", CHART, settings, chart_values(settings), into=into, site=site, parent=self
        )
        objects = custom_resources(settings)
        answers = webhook.answers(
            "metallb", list(objects.values()), site=site, parent=self, after=[deployed]
        )
        made = [
            custom(f"metallb-{key}", body, site=site, parent=self, after=[deployed, answers])
            for key, body in objects.items()
        ]
        self.pools = pulumi.Output.all(*(m.id for m in made)).apply(
            lambda _: sorted(settings.pools)
        )
        self.register_outputs({"pools": self.pools})


def chart_values(settings: MetallbSettings) -> dict[str, Any]:
    """FRR is for BGP alone."""
    return {"frrk8s": {"enabled": settings.mode == "bgp"}, "speaker": {"frr": {"enabled": False}}}


def custom_resources(settings: MetallbSettings) -> dict[str, dict[str, Any]]:
    """What tells MetalLB of the settings, by a name for each."""
    found = {
        f"pool-{name}": _object(
            "IPAddressPool",
            name,
            {"addresses": list(pool.addresses), "autoAssign": pool.auto_assign},
        )
        for name, pool in settings.pools.items()
    }
    pools = {"ipAddressPools": sorted(settings.pools)}
    if settings.bgp is None:
        return {**found, "l2": _object("L2Advertisement", "all", pools)}
    peers = {
        f"peer-{name}": _object(
            "BGPPeer",
            name,
            {
                "myASN": settings.bgp.asn,
                "peerASN": peer.asn,
                "peerAddress": str(peer.address),
            },
            api=_API_BGP_PEER,
        )
        for name, peer in settings.bgp.peers.items()
    }
    return {**found, **peers, "bgp": _object("BGPAdvertisement", "all", pools)}


def _object(kind: str, name: str, spec: Mapping[str, Any], api: str = _API) -> dict[str, Any]:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": _NAMESPACE},
        "spec": dict(spec),
    }
