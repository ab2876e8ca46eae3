"""K3sCluster: the one public component. Usable from any Pulumi program."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi
from pulumi_tls import PrivateKey, get_public_key_output

from components import firewall, replacing
from components.addons.install import install
from components.cluster_settings import ClusterSettings, problems
from components.k3s import first_boot
from components.k3s.cluster import K3s
from components.platforms.kinds import KINDS
from components.platforms.machine import Machine
from components.platforms.platform import OperatorKey, Platform, Shared
from components.problems import SettingsError
from components.topology import PlatformName

if TYPE_CHECKING:
    from pulumi_kubernetes import Provider


class K3sCluster(pulumi.ComponentResource):
    """Machines, network, k3s and what is installed after it, declared together.

    `operator_key` is the private SSH key (OpenSSH form, secret) that steps on nodes use; without
    it the stack makes one. `secrets` are secret values by name, for settings of add-ons that say
    `{secret: NAME}`.

    Raises SettingsError, with all mistakes in it, before anything is registered.
    Outputs: `kubeconfig`, `server_token`, `agent_token` (secret), `api_endpoint` (URL), `nodes`
    (name, role, group, addresses, ssh line), `k3s_version`, `ssh_private_key` (secret) and
    `ssh_known_hosts`. `addons` are the components of the chosen add-ons, by key;
    `provider` is for what else is put into the cluster.
    """

    kubeconfig: pulumi.Output[str]
    server_token: pulumi.Output[str]
    agent_token: pulumi.Output[str]
    api_endpoint: pulumi.Output[str]
    nodes: pulumi.Output[list[Mapping[str, object]]]
    k3s_version: pulumi.Output[str]
    ssh_private_key: pulumi.Output[str]
    ssh_known_hosts: pulumi.Output[str]
    addons: Mapping[str, pulumi.ComponentResource]

    def __init__(
        self,
        name: str,
        *,
        settings: ClusterSettings,
        operator_key: pulumi.Input[str] | None = None,
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given, secrets = operator_key is not None, secrets or {}
        if found := problems(
            name, settings.draft(), operator_key_given=given, secrets=frozenset(secrets)
        ):
            raise SettingsError(found)
        super().__init__("k3s:cluster:K3sCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        shared = _shared(name, settings, _operator(name, operator_key, child), child)
        platforms = _platforms(shared, settings, child)
        for platform in platforms.values():
            platform.network()
        machines = _machines(platforms, settings)
        servers = [machine for machine in machines if machine.role == "server"]
        home = platforms[next(n.platform for n in shared.nodes if n.role == "server")]
        endpoint = home.endpoint(servers, machines)
        admitted = [r for platform in platforms.values() for r in platform.admit(machines)]
        k3s = K3s(
            name,
            settings=settings.k3s_with_addons,
            upgrade=settings.upgrade,
            groups=settings.groups,
            machines=machines,
            endpoint=endpoint,
            bootstrap_server=settings.bootstrap_server,
            spans=shared.spans,
            after=[*endpoint.resources, *admitted],
            features=settings.addons.features(),
            labels={group: settings.addons.labels(group) for group in settings.groups},
            requirements=settings.requirements,
            opts=child,
        )
        self._make_provider = functools.cache(functools.partial(_provider, name, k3s, child))
        self.addons = install(
            name, settings.addons, k3s, self._make_provider, machines, secrets, child
        )

        self.kubeconfig = k3s.kubeconfig
        self.server_token, self.agent_token = k3s.server_token, k3s.agent_token
        self.api_endpoint = pulumi.Output.concat("https://", endpoint.api, ":6443")
        self.nodes = pulumi.Output.all(*map(_described, machines))
        self.k3s_version = k3s.version
        self.ssh_private_key = shared.operator.private
        self.ssh_known_hosts = _known_hosts(machines)
        self.register_outputs({"apiEndpoint": self.api_endpoint, "nodes": self.nodes})

    @property
    def provider(self) -> "Provider":
        """For what a program puts into the cluster; it speaks to its API when nodes are Ready."""
        return self._make_provider()


def _provider(name: str, k3s: K3s, opts: pulumi.ResourceOptions) -> "Provider":
    # It takes most of a second to load, and not every cluster needs it.
    from pulumi_kubernetes import Provider

    return Provider(
        f"{name}-kubernetes",
        kubeconfig=k3s.kubeconfig,
        # Without it a changed address in the kubeconfig would replace everything in the cluster.
        cluster_identifier=name,
        # What is changed keeps its place: else it is gone from its pods until it is made anew.
        enable_secret_mutable=True,
        enable_config_map_mutable=True,
        opts=opts,
    )


def _operator(
    name: str, given: pulumi.Input[str] | None, opts: pulumi.ResourceOptions
) -> OperatorKey:
    if given is None:
        made = PrivateKey(f"{name}-operator-key", algorithm="ED25519", opts=opts)
        return OperatorKey(private=made.private_key_openssh, public=made.public_key_openssh)
    private = pulumi.Output.secret(given)
    known = get_public_key_output(private_key_openssh=private)
    # What is worked out from a secret is one too, unless it is said that a public key is public.
    return OperatorKey(private=private, public=pulumi.Output.unsecret(known.public_key_openssh))


def _shared(
    name: str, settings: ClusterSettings, operator: OperatorKey, opts: pulumi.ResourceOptions
) -> Shared:
    topology = settings.nodes(name)
    facts = settings.firewall_facts(name)
    return Shared(
        cluster=name,
        access=settings.access,
        network=settings.network,
        operator=operator,
        nodes=topology,
        generations=replacing.generations(topology, settings.replace, opts),
        spans=facts.spans,
        rows=firewall.rows(facts),
        first_boot=first_boot.scripts(settings.k3s),
        protect=settings.protect,
        cloud_parts=settings.addons.cloud_parts(),
    )


def _platforms(
    shared: Shared, settings: ClusterSettings, opts: pulumi.ResourceOptions
) -> dict[PlatformName, Platform]:
    """Those that have nodes, the servers' first."""
    used = sorted({(node.role != "server", node.platform) for node in shared.nodes})
    return {
        name: KINDS[name].make(
            name, shared.cluster, settings=getattr(settings, name), shared=shared, opts=opts
        )
        for name in dict.fromkeys(name for _, name in used)
    }


def _machines(
    platforms: Mapping[PlatformName, Platform], settings: ClusterSettings
) -> Sequence[Machine]:
    """Servers first, groups by name: Pulumi hands objects over with their keys in any order."""
    by_role = sorted(settings.groups.items(), key=lambda item: (item[1].role != "server", item[0]))
    return [
        machine
        for key, group in by_role
        for machine in platforms[group.platform or settings.platform].machines(key, group)
    ]


def _known_hosts(machines: Sequence[Machine]) -> pulumi.Output[str]:
    """One line a machine, and one for each host in between."""
    ways = [machine.ssh for machine in machines]
    jumps = [way.jump for way in ways if way.jump is not None]
    lines = pulumi.Output.all(*(way.known_hosts() for way in [*ways, *jumps]))
    return lines.apply(lambda known: "".join(f"{line}\n" for line in dict.fromkeys(known)))


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
