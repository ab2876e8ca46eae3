"""The chosen workloads, put into a cluster when it and its add-ons are there."""

from components.cluster import K3sCluster
from workloads.settings import Workloads
from workloads.wordpress import WordPress


def install(name: str, workloads: Workloads, cluster: K3sCluster) -> dict[str, WordPress]:
    """Their components by key. They go with the cluster, which takes them along."""
    if workloads.wordpress is None:
        return {}
    site = WordPress(
        f"{name}-wordpress",
        settings=workloads.wordpress,
        provider=cluster.provider,
        after=[cluster],
        deleted_with=cluster,
    )
    return {"wordpress": site}
