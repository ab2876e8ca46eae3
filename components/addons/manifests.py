"""Objects of Kubernetes' own kinds, for what has no chart, or no value in its chart."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.addons.addon import Site


def manifest(
    name: str,
    body: Mapping[str, Any],
    *,
    site: Site,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> pulumi.Resource:
    """One object of Kubernetes' own kinds: its kind, and its other parts in Python's spelling."""
    from pulumi_kubernetes import apps, core, rbac, storage

    kinds: Mapping[str, Any] = {
        "ServiceAccount": core.v1.ServiceAccount,
        "ClusterRole": rbac.v1.ClusterRole,
        "ClusterRoleBinding": rbac.v1.ClusterRoleBinding,
        "Deployment": apps.v1.Deployment,
        "DaemonSet": apps.v1.DaemonSet,
        "CSIDriver": storage.v1.CSIDriver,
    }
    parts = {key: value for key, value in body.items() if key != "kind"}
    made: pulumi.Resource = kinds[body["kind"]](
        f"{site.cluster}-{name}", **parts, opts=site.options(parent, after)
    )
    return made


def patch(
    name: str,
    namespace: str,
    spec: Mapping[str, Any],
    *,
    site: Site,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> pulumi.Resource:
    """What a chart's Deployment is to have, and the chart has no value for.

    Server-side apply, with a manager of its own: Helm's upgrades leave it as it is.
    """
    from pulumi_kubernetes.apps.v1 import DeploymentPatch
    from pulumi_kubernetes.meta.v1 import ObjectMetaPatchArgs

    fields: Any = spec
    return DeploymentPatch(
        f"{site.cluster}-{name}-patch",
        metadata=ObjectMetaPatchArgs(name=name, namespace=namespace),
        spec=fields,
        opts=site.options(parent, after),
    )
