"""K3sCluster: the one public component. Usable from any Pulumi program."""

from collections.abc import Mapping
from typing import Literal

import pulumi
from pydantic import Field

from components import firewall
from components import groups as node_groups
from components.groups import NodeGroup
from components.k3s import settings as k3s_settings
from components.k3s.cluster import K3s
from components.k3s.settings import K3sSettings
from components.platforms.local import settings as local_settings
from components.platforms.local.platform import Local
from components.platforms.local.settings import LocalSettings
from components.platforms.machine import Machine
from components.platforms.platform import Platform
from components.problems import Problem, SettingsError
from components.settings import Settings


class ClusterSettings(Settings):
    """All settings of a cluster."""

    platform: Literal["local"] = Field(description="local: containers on this machine")
    groups: Mapping[str, NodeGroup] = Field(
        description="node groups by name, such as server: {role: server, count: 1}"
    )
    k3s: K3sSettings = Field(description="an object with at least version: v1.35.6+k3s1")
    local: LocalSettings = Field(
        default_factory=LocalSettings, description="an object with the keys of platform local"
    )


def problems(
    name: str,
    *,
    groups: Mapping[str, NodeGroup] | None,
    k3s: K3sSettings | None,
    local: LocalSettings | None,
) -> list[Problem]:
    """Every mistake of the cluster `name` that no single field shows.

    A part that is None could not be read: what depends on it is left out.
    """
    nodes = node_groups.all_node_names(name, groups) if groups else []
    found: list[Problem] = []
    if groups is not None:
        found += node_groups.problems(name, groups)
    if k3s is not None:
        found += k3s_settings.problems(k3s, len(nodes))
    if local is not None:
        found += local_settings.problems(name, local, nodes, k3s)
    return found


class K3sCluster(pulumi.ComponentResource):
    """Machines, network and k3s, declared together.

    Raises SettingsError, with all mistakes in it, before anything is registered.
    Outputs: `kubeconfig`, `server_token`, `agent_token` (secret), `api_endpoint` (URL), `nodes`
    (name, role, group, addresses, ssh line), `k3s_version`, `ssh_private_key` (secret) and
    `ssh_known_hosts`.
    """

    kubeconfig: pulumi.Output[str]
    server_token: pulumi.Output[str]
    agent_token: pulumi.Output[str]
    api_endpoint: pulumi.Output[str]
    nodes: pulumi.Output[list[Mapping[str, object]]]
    k3s_version: pulumi.Output[str]
    ssh_private_key: pulumi.Output[str]
    ssh_known_hosts: pulumi.Output[str]

    def __init__(
        self, name: str, *, settings: ClusterSettings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        if found := problems(name, groups=settings.groups, k3s=settings.k3s, local=settings.local):
            raise SettingsError(found)
        super().__init__("k3s:cluster:K3sCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        platform: Platform = Local(name, settings=settings.local, opts=child)
        platform.network()
        # Servers first, groups by name: Pulumi hands objects over with their keys in any order.
        by_role = sorted(
            settings.groups.items(), key=lambda item: (item[1].role != "server", item[0])
        )
        machines = [m for key, group in by_role for m in platform.machines(key, group)]
        servers = [machine for machine in machines if machine.role == "server"]
        endpoint = platform.endpoint(servers)
        platform.admit(firewall.rows(firewall.Facts(servers=len(servers))), peers=())
        k3s = K3s(
            name,
            settings=settings.k3s,
            groups=settings.groups,
            machines=machines,
            endpoint=endpoint,
            opts=child,
        )

        self.kubeconfig = k3s.kubeconfig
        self.server_token, self.agent_token = k3s.server_token, k3s.agent_token
        self.api_endpoint = pulumi.Output.concat("https://", endpoint.api, ":6443")
        self.nodes = pulumi.Output.all(*map(_described, machines))
        self.k3s_version = k3s.version
        self.ssh_private_key = machines[0].ssh.private_key
        known_hosts = pulumi.Output.all(*(machine.ssh.known_hosts() for machine in machines))
        self.ssh_known_hosts = known_hosts.apply(lambda lines: "".join(f"{x}\n" for x in lines))
        self.register_outputs({"apiEndpoint": self.api_endpoint, "nodes": self.nodes})


def _described(machine: Machine) -> pulumi.Output[Mapping[str, object]]:
    return pulumi.Output.all(
        private=machine.private.listed(), public=machine.public.listed(), ssh=machine.ssh.line()
    ).apply(
        lambda known: {
            "name": machine.name,
            "role": machine.role,
            "group": machine.group,
            "addresses": {"private": known["private"], "public": known["public"]},
            "ssh": known["ssh"],
        }
    )
