"""Platform aws: a VPC in one region, EC2 instances and a Network Load Balancer."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from pulumi_aws import ec2

from components.groups import NodeGroup
from components.platforms.aws import (
    admit,
    bastion,
    endpoint,
    machines,
    network,
    permissions,
    security,
)
from components.platforms.aws.machines import Ground
from components.platforms.aws.settings import AwsSettings
from components.platforms.aws.site import Site
from components.platforms.machine import Machine
from components.platforms.platform import Endpoint, Shared


class Aws(pulumi.ComponentResource):
    """All that a cluster has on AWS, under a provider of its own."""

    def __init__(
        self,
        name: str,
        *,
        settings: AwsSettings,
        shared: Shared,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("k3s:platforms:Aws", name, None, opts)
        plain = pulumi.ResourceOptions(parent=self)
        provider = aws.Provider(
            f"{name}-aws",
            region=settings.region,
            default_tags=aws.ProviderDefaultTagsArgs(tags={"cluster": name}),
            opts=plain,
        )
        self._site = Site(
            cluster=name,
            settings=settings,
            shared=shared,
            opts=pulumi.ResourceOptions.merge(plain, pulumi.ResourceOptions(provider=provider)),
            plain=plain,
        )
        self._ground: Ground | None = None
        self.register_outputs({})

    def network(self) -> None:
        """VPC, subnets, routes, closed security groups, and the way in for SSH."""
        site = self._site
        made = network.network(site)
        groups = security.groups(site, made.vpc)
        ready = [
            *made.ready,
            *security.let_out(site, groups),
            *admit.admit_ssh(site, made, groups),
        ]
        key = ec2.KeyPair(
            f"{site.cluster}-operator",
            public_key=site.shared.operator.public.apply(str.strip),
            tags=site.tags(site.cluster),
            opts=site.opts,
        )
        self._ground = Ground(
            network=made,
            groups=groups,
            key=key,
            profiles=permissions.profiles(site),
            ready=ready,
            bastion=bastion.bastion(site, made, groups, key, ready) if site.private else None,
        )

    def machines(self, name: str, group: NodeGroup) -> list[Machine]:
        """EC2 instances, volumes and addresses. Raises RuntimeError before `network()`."""
        return machines.machines(self._site, self._on(), name, group)

    def endpoint(self, servers: Sequence[Machine], machines: Sequence[Machine]) -> Endpoint:  # noqa: ARG002
        """A Network Load Balancer; who may come in is told in `admit()`."""
        ground = self._on()
        return endpoint.endpoint(self._site, ground.network, ground.groups["balancer"], servers)

    def admit(self, machines: Sequence[Machine]) -> Sequence[pulumi.Resource]:
        """An inbound rule for each row and source."""
        ground = self._on()
        return admit.admit(self._site, ground.network, ground.groups, machines)

    def _on(self) -> Ground:
        if self._ground is None:
            raise RuntimeError("call network() first")
        return self._ground
