"""One `pulumi up` per environment: settings in, a k3s cluster and what runs in it, outputs."""

import pulumi

from components.cluster import K3sCluster
from stacks import memory
from stacks.outputs import export
from stacks.settings import load, secrets
from workloads.install import install

config = pulumi.Config("k3s")
settings = load(config)
memory.check(settings)
cluster = K3sCluster(
    pulumi.get_stack(),
    settings=settings,
    operator_key=config.get_secret("operatorKey"),
    secrets=secrets(config),
)
export(cluster, install(pulumi.get_stack(), settings.workloads, cluster))
