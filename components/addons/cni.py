"""The network plugin: Calico or Cilium in the place of k3s's flannel and policy controller.

Nodes become Ready in its network: the last step here waits for that, and the other add-ons for it.
Source: https://docs.k3s.io/networking/basic-network-options#custom-cni.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi

from components.addons import cni_values as told
from components.addons.addon import Site, namespace, release
from components.addons.charts import Chart
from components.addons.cni_settings import CniSettings
from components.addons.webhook import SCRIPTS
from components.k3s.step import Step

if TYPE_CHECKING:
    from pulumi_kubernetes.core.v1 import Namespace
    from pulumi_kubernetes.helm.v3 import Release

_NOTE_SECONDS = 60
# The wait of nodes_ready.sh, and as much again as it takes to say why it was in vain.
_READY_SECONDS = 720


class Cni(pulumi.ComponentResource):
    """Gives `plugin`, known once every node is Ready in its network."""

    plugin: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: CniSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:Cni", name, None, opts)
        self._settings, self._site = settings, site
        noted = self._step("network_plugin", _NOTE_SECONDS, {"PLUGIN": settings.plugin})
        install = {"calico": self._calico, "cilium": self._cilium}[settings.plugin]
        values, deployed = install(noted)
        ready = self._step("nodes_ready", _READY_SECONDS, self._awaited(values), after=[deployed])
        self.plugin = ready.id.apply(lambda _: settings.plugin)
        self.register_outputs({"plugin": self.plugin})

    def _calico(self, noted: pulumi.Resource) -> tuple[Mapping[str, Any], pulumi.Resource]:
        """The definitions first: Helm takes no object of a kind that is not there yet."""
        # The operator uses the host's network: there is no other yet.
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        into = namespace("tigera-operator", self._site, self, labels)
        crds = self._release("calico-crds", told.CALICO_CRDS, {}, into, [noted], awaited=True)
        values = told.calico_values(
            self._settings, self._site.k3s_settings, nodes=len(self._site.machines)
        )
        return values, self._release("calico", told.CALICO, values, into, [noted, crds])

    def _cilium(self, noted: pulumi.Resource) -> tuple[Mapping[str, Any], pulumi.Resource]:
        values = told.cilium_values(
            self._settings, self._site.k3s_settings, nodes=len(self._site.machines)
        )
        # Where Cilium's own tools look for it.
        return values, self._release("cilium", told.CILIUM, values, "kube-system", [noted])

    def _release(
        self,
        name: str,
        chart: Chart,
        values: Mapping[str, Any],
        into: "Namespace | str",
        after: Sequence[pulumi.Resource],
        *,
        awaited: bool = False,
    ) -> "Release":
        """By itself not awaited: what hinders pods on a node, the last step tells better."""
        return release(
            name,
            chart,
            self._settings,
            values,
            into=into,
            site=self._site,
            parent=self,
            after=after,
            awaited=awaited,
        )

    def _awaited(self, values: Mapping[str, Any]) -> dict[str, pulumi.Input[str]]:
        """Of the wait; it is waited again when a machine is new, or the plugin is another."""
        settings, machines = self._settings, self._site.machines
        told_all = json.dumps([settings.version, values, settings.values], sort_keys=True)
        return {
            "NODES": "\n".join(sorted(machine.name for machine in machines)),
            "MACHINES": pulumi.Output.all(*(machine.id for machine in machines)).apply("\n".join),
            "RELEASE": hashlib.sha256(told_all.encode()).hexdigest(),
            "WORKLOADS": told.WORKLOADS[settings.plugin],
            "SIGN": told.sign(settings.plugin, settings),
        }

    def _step(
        self,
        script: str,
        seconds: int,
        variables: Mapping[str, pulumi.Input[str]],
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        site = self._site
        return Step(script, seconds=seconds, folder=SCRIPTS).on(
            f"{site.cluster}-{script.replace('_', '-')}",
            site.server,
            subject=site.server.name,
            variables=variables,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[site.k3s, *after], deleted_with=site.k3s
            ),
        )
