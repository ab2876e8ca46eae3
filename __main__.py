"""One `pulumi up` per environment: settings in, a k3s cluster built, outputs exported."""

import pulumi

from components.cluster import K3sCluster
from stacks.outputs import export
from stacks.settings import load, secrets

config = pulumi.Config("k3s")
cluster = K3sCluster(
    pulumi.get_stack(),
    settings=load(config),
    operator_key=config.get_secret("operatorKey"),
    secrets=secrets(config),
)
export(cluster)
