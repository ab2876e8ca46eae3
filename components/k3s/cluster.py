"""k3s on machines: the order of steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_command import remote

from components.groups import NodeGroup
from components.k3s import config, kubeconfig, options, tokens
from components.k3s.config import NodeFacts, ServerFacts
from components.k3s.install import bootstrap, install
from components.k3s.members import members, room
from components.k3s.prepare import Feature, prepare
from components.k3s.registration import leave, register
from components.k3s.requirements import Requirements
from components.k3s.rolling import Rollout, Target
from components.k3s.settings import K3sSettings
from components.k3s.upgrade import UpgradeSettings
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint


class K3s(pulumi.ComponentResource):
    """A k3s cluster on machines that answer over SSH.

    `bootstrap_server` names the server that starts it, the first one listed unless it is given.

    `spans` says that the machines are on several networks; `after` is what must be there before
    they can reach each other. `features` are what add-ons need of every machine, `labels` what they
    need of nodes, by group: set at registration, they are none of k3s's own configuration.
    `requirements` says what less memory or disk than k3s asks for is.

    `settings` are what it was made with. Outputs: `server_token`, `agent_token` (full tokens,
    secret), `kubeconfig` (secret), and `version`, known once every node is Ready.
    """

    server_token: pulumi.Output[str]
    agent_token: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    version: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: K3sSettings,
        upgrade: UpgradeSettings | None = None,
        groups: Mapping[str, NodeGroup],
        machines: Sequence[Machine],
        endpoint: Endpoint,
        bootstrap_server: str | None = None,
        spans: bool = False,
        after: Sequence[pulumi.Resource] = (),
        features: Sequence[Feature] = (),
        labels: Mapping[str, Mapping[str, str]] | None = None,
        requirements: Requirements = "warning",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:cluster:K3s", name, None, opts)
        self.settings = settings
        self._name, self._settings, self._groups = name, settings, groups
        self._endpoint, self._spans, self._after = endpoint, spans, list(after)
        self._addons_labels = labels or {}
        self._servers = [machine for machine in machines if machine.role == "server"]
        self._child = pulumi.ResourceOptions(parent=self)
        first = next((s for s in self._servers if s.name == bootstrap_server), self._servers[0])
        self._registration_url = endpoint.registration.apply(config.url)

        self._tokens = tokens.make(name, self._child)
        backend = settings.backend(spans=spans)
        self._prepared = {
            m.name: prepare(
                m,
                settings,
                self._child,
                backend=backend,
                features=features,
                required=requirements,
            )
            for m in machines
        }
        self._leaving = {machine.name: self._leave(machine) for machine in machines}
        ca_hash = bootstrap(
            name,
            first,
            self._prepared[first.name],
            self._bootstrap_config(first),
            self._labels_config(first),
            self._pod_ips(first),
            after=self._after,
            opts=self._child,
        )
        self.server_token = self._tokens.full_server(ca_hash)
        self.agent_token = self._tokens.full_agent(ca_hash)
        self._rollout = self._make_rollout(upgrade or UpgradeSettings())
        servers = self._install_servers()
        agents = self._install_agents([m for m in machines if m.role == "agent"], servers)
        registrations = self._register(machines, {**servers, **agents})
        members(
            name,
            machines,
            via=self._servers[0],
            registration=self._registration_url,
            after=registrations,
            opts=self._child,
        )

        self.kubeconfig = kubeconfig.read(
            name,
            first,
            endpoint.api,
            pulumi.ResourceOptions.merge(
                self._child, pulumi.ResourceOptions(depends_on=[servers[first.name]])
            ),
        )
        # Secret only for the SSH key that the connections hold.
        ready = pulumi.Output.unsecret(pulumi.Output.all(*(r.stdout for r in registrations)))
        self.version = ready.apply(lambda _: settings.version)
        self.register_outputs({"version": self.version, "kubeconfig": self.kubeconfig})

    def _make_rollout(self, upgrade: UpgradeSettings) -> Rollout:
        return Rollout(
            version=self._settings.version,
            registration=self._registration_url,
            upgrade=upgrade,
            reach_seconds=self._endpoint.settles,
            has_pod_network=self._settings.flannel_backend != "none",
            opts=self._child,
        )

    def _install_servers(self) -> dict[str, remote.Command]:
        """One after another: etcd admits one learner at a time, and none beside a silent member."""
        made = room(
            self._name,
            self._servers,
            registration=self._registration_url,
            after=self._after,
            opts=self._child,
        )
        targets = [self._target(m, m, self._server_config(m)) for m in self._servers]
        rolled = self._rollout.servers(targets, [*self._after, made])
        installed: dict[str, remote.Command] = {}
        for target in targets:
            name = target.machine.name
            installed[name] = self._install(target, [rolled[name], *list(installed.values())[-1:]])
        self._servers_rolled = list(rolled.values())[-1]
        return installed

    def _install_agents(
        self, agents: Sequence[Machine], servers: Mapping[str, remote.Command]
    ) -> dict[str, remote.Command]:
        """All at once, when the servers stand; changes come to them after all servers."""
        targets = [self._target(m, self._servers[0], self._agent_config(m)) for m in agents]
        stands = [*self._after, self._servers_rolled, list(servers.values())[-1]]
        rolled = self._rollout.agents(targets, stands)
        return {
            target.machine.name: self._install(target, [rolled[target.machine.name], stands[-1]])
            for target in targets
        }

    def _target(self, machine: Machine, via: Machine, wanted: pulumi.Output[str]) -> Target:
        return Target(
            machine=machine,
            via=via,
            prepared=self._prepared[machine.name],
            config=wanted,
            pod_ips=self._pod_ips(machine),
        )

    def _install(self, target: Target, after: Sequence[pulumi.Resource]) -> remote.Command:
        return install(
            target.machine,
            target.prepared,
            target.config,
            self._labels_config(target.machine),
            target.pod_ips,
            self._endpoint.settles,
            after=[*self._after, self._leaving[target.machine.name], *after],
            opts=self._child,
        )

    def _register(
        self, machines: Sequence[Machine], installed: Mapping[str, remote.Command]
    ) -> list[remote.Command]:
        return [
            register(
                machine,
                via=via,
                registration=self._registration_url,
                labels={**self._addons_labels.get(machine.group, {}), **self._labels(machine)},
                dual_stack=self._settings.dual_stack,
                has_pod_network=self._settings.flannel_backend != "none",
                external_cloud=self._settings.external_cloud,
                taints=self._groups[machine.group].taints,
                installed=installed[machine.name],
                via_installed=installed[via.name],
                opts=self._child,
            )
            for machine in machines
            for via in [self._via(machine)]
        ]

    def _leave(self, machine: Machine) -> remote.Command:
        return leave(
            machine,
            via=self._via(machine),
            registration=self._registration_url,
            after=self._after,
            opts=self._child,
        )

    def _via(self, machine: Machine) -> Machine:
        """A server that stays when the node goes, if there is another."""
        return next((s for s in self._servers if s is not machine), machine)

    def _facts(self, machine: Machine, known: Mapping[str, Any]) -> NodeFacts:
        group = self._groups[machine.group]
        return NodeFacts(
            name=machine.name,
            role=machine.role,
            private=known["private"],
            public=known["public"],
            kubelet_args=options.kubelet_args(self._settings, group),
            options=options.options(self._settings, group),
            external_cloud=self._settings.external_cloud,
            provider_id=known["provider_id"],
        )

    def _labels_config(self, machine: Machine) -> str:
        taints = self._groups[machine.group].taints
        return config.dump(config.labels_config(self._labels(machine), taints))

    def _labels(self, machine: Machine) -> Mapping[str, str]:
        """Where a machine stands is a label too; the group's own words go first."""
        return {**machine.topology, **self._groups[machine.group].labels}

    def _pod_ips(self, machine: Machine) -> pulumi.Input[str]:
        """Nothing where pods go over external addresses, or over somebody else's network."""
        if self._spans or self._settings.flannel_backend == "none":
            return ""
        addresses = machine.private.of(dual_stack=self._settings.dual_stack)
        return addresses.listed().apply("\n".join)

    def _bootstrap_config(self, machine: Machine) -> pulumi.Output[str]:
        return pulumi.Output.all(**self._server_inputs(machine), token=self._tokens.server).apply(
            lambda known: config.dump(
                config.bootstrap_config(
                    self._facts(machine, known),
                    _server_facts(known, spans=self._spans),
                    self._settings,
                    known["token"],
                )
            )
        )

    def _server_config(self, machine: Machine) -> pulumi.Output[str]:
        return pulumi.Output.all(
            **self._server_inputs(machine),
            token=self.server_token,
        ).apply(
            lambda known: config.dump(
                config.server_config(
                    self._facts(machine, known),
                    _server_facts(known, spans=self._spans),
                    self._settings,
                    config.join(known["registration"], known["token"]),
                )
            )
        )

    def _agent_config(self, machine: Machine) -> pulumi.Output[str]:
        return pulumi.Output.all(
            **self._node_inputs(machine),
            registration=self._endpoint.registration,
            token=self.agent_token,
        ).apply(
            lambda known: config.dump(
                config.agent_config(
                    self._facts(machine, known), config.join(known["registration"], known["token"])
                )
            )
        )

    def _node_inputs(self, machine: Machine) -> dict[str, pulumi.Output[Any]]:
        dual_stack = self._settings.dual_stack
        told = self._settings.external_cloud and machine.provider_id is not None
        return {
            "provider_id": pulumi.Output.from_input(machine.provider_id if told else None),
            "private": machine.private.of(dual_stack=dual_stack).listed(),
            "public": machine.public.of(dual_stack=dual_stack).listed(),
        }

    def _server_inputs(self, machine: Machine) -> dict[str, pulumi.Output[Any]]:
        return {
            **self._node_inputs(machine),
            "agent_token": self._tokens.agent,
            "api": self._endpoint.api,
            "registration": self._endpoint.registration,
        }


def _server_facts(known: Mapping[str, str], *, spans: bool) -> ServerFacts:
    """The certificate is for the addresses that people and nodes reach the API by."""
    names = dict.fromkeys([known["api"], known["registration"]])
    return ServerFacts(agent_token=known["agent_token"], tls_san=list(names), spans=spans)
