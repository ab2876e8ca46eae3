"""The cloud's controller and CSI driver: balancers, nodes and volumes as the cloud has them.

It goes before everything else in the cluster, the network plugin too: until it has met a node,
pods are kept off it, and it runs in the host's network itself.
Source: https://kubernetes.io/docs/tasks/administer-cluster/running-cloud-controller and
https://docs.k3s.io/networking/networking-services#deploying-an-external-cloud-controller-manager.
"""

from collections.abc import Sequence
from types import ModuleType

import pulumi

from components.addons import cloud_controller_aws as aws
from components.addons import cloud_controller_digitalocean as digitalocean
from components.addons import secret_values
from components.addons.addon import Site, release, secret, storage_class
from components.addons.cloud_controller_settings import CloudControllerSettings
from components.addons.manifests import manifest, patch
from components.addons.webhook import SCRIPTS
from components.k3s.step import Step
from components.topology import REGION_LABEL

_NAMESPACE = "kube-system"
# More than all waits of cloud.sh together, either way.
_SECONDS = 1500
_KINDS: dict[str, ModuleType] = {"aws": aws, "digitalocean": digitalocean}


class CloudController(pulumi.ComponentResource):
    """Gives `storage_class`, empty without the CSI driver, known when every node has been met."""

    storage_class: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: CloudControllerSettings,
        site: Site,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:addons:CloudController", name, None, opts)
        self._settings, self._site = settings, site
        self._cloud = site.server.network
        install = {"aws": self._aws, "digitalocean": self._digitalocean}[self._cloud]
        met = self._met(install())
        told = _KINDS[self._cloud].STORAGE_CLASS if settings.csi else ""
        self.storage_class = met.id.apply(lambda _: told)
        self.register_outputs({"storageClass": self.storage_class})

    def _aws(self) -> list[pulumi.Resource]:
        """Not awaited: what hinders a controller, the last step tells better than Helm."""
        site, settings = self._site, self._settings
        made: list[pulumi.Resource] = [
            release(
                aws.CONTROLLER.name,
                aws.CONTROLLER,
                settings,
                aws.controller_values(site.cluster),
                into=_NAMESPACE,
                site=site,
                parent=self,
                awaited=False,
            )
        ]
        if not settings.csi:
            return made
        driver = release(
            aws.CSI.name,
            aws.CSI,
            settings,
            aws.csi_values(site.cluster, site.machines),
            into=_NAMESPACE,
            site=site,
            parent=self,
            after=made,
            awaited=False,
        )
        moved = patch(
            aws.CSI_CONTROLLER,
            _NAMESPACE,
            aws.in_the_hosts_network(),
            site=site,
            parent=self,
            after=[driver],
        )
        return [*made, driver, moved, self._class(aws.parameters(), [driver])]

    def _digitalocean(self) -> list[pulumi.Resource]:
        site, settings = self._site, self._settings
        token = secret_values.resolved(settings.token, site.secrets)
        held = secret(
            digitalocean.SECRET,
            {digitalocean.TOKEN: token},
            into=_NAMESPACE,
            site=site,
            parent=self,
        )
        region = site.server.topology[REGION_LABEL]
        bodies = digitalocean.controller(settings.droplet_version, region, site.server.vpc)
        if settings.csi:
            bodies |= digitalocean.csi(settings.droplet_csi_version, site.machines)
        made: list[pulumi.Resource] = [held]
        for key, body in bodies.items():
            made.append(manifest(key, body, site=site, parent=self, after=made))
        return [*made, *([self._class({}, made)] if settings.csi else [])]

    def _class(
        self, parameters: dict[str, str], after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        """A volume is made where its first pod is: it cannot leave its zone."""
        kind = _KINDS[self._cloud]
        return storage_class(
            kind.STORAGE_CLASS,
            kind.DRIVER,
            parameters,
            default=self._settings.default_class,
            binding="WaitForFirstConsumer",
            site=self._site,
            parent=self,
            after=after,
        )

    def _met(self, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        """Waits for the controllers; on the way down it goes first, while they still run.

        That is so when the whole cluster goes, too: what they made in the cloud is no resource of
        the stack's, and the network cannot go before it.
        """
        site, settings, kind = self._site, self._settings, _KINDS[self._cloud]
        # Before the network plugin nothing comes up that is not in the host's network.
        csi = kind.CSI_IN_THE_HOSTS_NETWORK if "cni" in site.chosen else kind.CSI_WORKLOADS
        parts = csi if settings.csi else ()
        ids = [
            pulumi.Output.concat(machine.name, " ", machine.provider_id or "")
            for machine in sorted(site.machines, key=lambda machine: machine.name)
        ]
        return Step("cloud", seconds=_SECONDS, folder=SCRIPTS, own=("volumes",), removable=True).on(
            f"{site.cluster}-cloud",
            site.server,
            subject=site.server.name,
            variables={
                "NODES": pulumi.Output.all(*ids).apply("\n".join),
                "WORKLOADS": "\n".join(
                    f"{_NAMESPACE} {workload}" for workload in (kind.CONTROLLER_WORKLOAD, *parts)
                ),
                "LOGS": kind.LOGS,
                "DRIVERS": kind.DRIVER.replace(".", r"\."),
                "TAKE_DOWN": str(settings.take_down).lower(),
                "DESTROY": str(settings.destroy_data).lower(),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )
