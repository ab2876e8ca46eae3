"""The registration address of existing servers, as the settings say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.platforms.existing import machines
from components.platforms.existing.hosts import Host
from components.platforms.existing.kube_vip import KubeVip
from components.platforms.existing.machines import BalancerHost
from components.platforms.existing.registration import Registration
from components.platforms.machine import Addresses, Machine
from components.platforms.platform import Shared


@dataclass(frozen=True, kw_only=True)
class Front:
    """What stands before the servers.

    `hosts` are the names of the machines that take in what is meant for the registration address,
    `sources` are what the balancer's packets to the servers come from. `balancer` is the host that
    HAProxy is put on, `kube_vip` what each server has instead.
    """

    api: pulumi.Output[str]
    registration: pulumi.Output[str]
    hosts: frozenset[str]
    sources: Sequence[pulumi.Input[str]] = ()
    balancer: Machine | BalancerHost | None = None
    kube_vip: KubeVip | None = None


def front(
    given: Registration | None,
    hosts: Mapping[str, Host],
    nodes: Sequence[Machine],
    servers: Sequence[Machine],
    *,
    shared: Shared,
    opts: pulumi.ResourceOptions,
) -> Front:
    """What `given` says; `nodes` are the hosts that are nodes."""
    if given is not None and given.address is not None:
        address = pulumi.Output.from_input(given.address)
        return Front(
            api=address,
            registration=address,
            hosts=frozenset(server.name for server in servers),
            sources=[str(cidr) for cidr in given.source],
        )
    if given is not None and given.kube_vip is not None:
        address = pulumi.Output.from_input(str(given.kube_vip.address))
        return Front(
            api=address,
            registration=address,
            hosts=frozenset(server.name for server in servers),
            kube_vip=given.kube_vip,
        )
    if given is None or given.host is None:
        api, inside = _sides(servers[0].private, servers[0].public)
        return Front(
            api=api,
            registration=api if shared.spans else inside,
            hosts=frozenset({servers[0].name}),
        )
    balancer = _balancer(given.host, hosts[given.host], nodes, shared, opts)
    api, inside = _sides(balancer.private, balancer.public)
    return Front(
        api=api,
        registration=api if shared.spans else inside,
        hosts=frozenset({balancer.name}),
        sources=[inside],
        balancer=balancer,
    )


def _balancer(
    key: str,
    host: Host,
    nodes: Sequence[Machine],
    shared: Shared,
    opts: pulumi.ResourceOptions,
) -> Machine | BalancerHost:
    """The node that the host is, or the host as nothing but a balancer."""
    named = {node.name for node in shared.nodes if node.platform == "existing" and node.key == key}
    for node in nodes:
        if node.name in named:
            return node
    return machines.balancer(f"{shared.cluster}-registration", host, shared, opts)


def _sides(private: Addresses, public: Addresses) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """Where others reach it, and where its neighbours do: one address may be both."""
    if private.ipv4 is None:
        raise ValueError("what stands before existing servers has an IPv4 address")
    return public.ipv4 or private.ipv4, private.ipv4
