"""One `pulumi up` per environment: settings in, a k3s cluster built, outputs exported."""

import pulumi

from components.cluster import K3sCluster
from stacks.outputs import export
from stacks.settings import load

cluster = K3sCluster(pulumi.get_stack(), settings=load(pulumi.Config("k3s")))
export(cluster)
