"""What the objects of a workload have in common: how each is made, and how its pods are confined.

Bodies are written as Kubernetes spells them. The Kubernetes SDK takes most of a second to load, so
it is loaded where an object is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

if TYPE_CHECKING:
    from pulumi_kubernetes import Provider

Body = dict[str, Any]
# What an image's download and a first start may take on a small machine.
_TIMEOUT = pulumi.CustomTimeouts(create="15m", update="15m")
_SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
# Kinds that Pulumi waits for, by https://www.pulumi.com/registry/packages/kubernetes/how-to-guides
_AWAITED = ("PersistentVolumeClaim", "Service", "StatefulSet", "Deployment", "Ingress")
# https://kubernetes.io/docs/concepts/security/pod-security-standards
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
# For owner and group alone: of the pod's volumes everything is the group's.
_SECRET_MODE = 0o440


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the objects of one namespace, as children of `parent`.

    With `wait` each is awaited until it is in order. `deleted_with` is what takes them all along.
    """

    name: str
    namespace: str
    parent: pulumi.Resource
    provider: "Provider"
    deleted_with: pulumi.Resource | None = None
    wait: bool = True

    def make(
        self,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        after: Sequence[pulumi.Resource],
        *,
        annotations: Mapping[str, str] | None = None,
        protect: bool = False,
    ) -> pulumi.CustomResource:
        """An object of the namespace: `body` is all of it but kind and metadata."""
        marks = {
            **(annotations or {}),
            **({} if self.wait or kind not in _AWAITED else _SKIP_AWAIT),
        }
        metadata = {"name": name, "namespace": self.namespace, "labels": labels(name)}
        made: pulumi.CustomResource = _class(kind)(
            f"{self.name}-{name}-{kind.lower()}",
            metadata={**metadata, **({"annotations": marks} if marks else {})},
            opts=self._options(after, protect=protect),
            **body,
        )
        return made

    def make_namespace(
        self, after: Sequence[pulumi.Resource], *, protect: bool
    ) -> pulumi.CustomResource:
        """The namespace itself, which takes confined pods alone."""
        made: pulumi.CustomResource = _class("Namespace")(
            f"{self.name}-namespace",
            metadata={"name": self.namespace, "labels": RESTRICTED},
            opts=self._options(after, protect=protect),
        )
        return made

    def _options(
        self, after: Sequence[pulumi.Resource], *, protect: bool
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self.parent,
            provider=self.provider,
            depends_on=[*after],
            deleted_with=self.deleted_with,
            protect=protect or None,
            custom_timeouts=_TIMEOUT,
        )


def _class(kind: str) -> Any:
    from pulumi_kubernetes import apps, core, networking

    homes = (core.v1, apps.v1, networking.v1)
    return next(getattr(home, kind) for home in homes if hasattr(home, kind))


def labels(name: str) -> dict[str, str]:
    """Of an object and of its pods."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "wordpress"}


def pod(user: int, **spec: Any) -> Body:
    """A pod of one user, who is its group too; nothing in it may become another, or asks the API.

    `user` is a number: that root is not meant can be told of a number alone.
    """
    return {
        "automountServiceAccountToken": False,
        # Variables named after Services would be taken for settings: MYSQL_PORT, WORDPRESS_PORT.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
            **spec.pop("securityContext", {}),
        },
        **spec,
    }


def container(name: str, image: str, *, memory: int, **spec: Any) -> Body:
    """A container whose image cannot be written to; `memory` in MiB is what it may have."""
    return {
        "name": name,
        "image": image,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "100m", "memory": f"{memory // 2}Mi"},
            "limits": {"memory": f"{memory}Mi"},
        },
        **spec,
    }


def claim(storage_class: str | None, gib: int) -> Body:
    """A volume for one node at a time, of the cluster's default class where none is named."""
    named = {"storageClassName": storage_class} if storage_class else {}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{gib}Gi"}},
        **named,
    }
    return {"spec": spec}


def secret_files(secret: str) -> Body:
    """The volume with a Secret's files."""
    return {"name": secret, "secret": {"secretName": secret, "defaultMode": _SECRET_MODE}}


def scratch(name: str, mib: int) -> Body:
    """The volume for what may be gone with the pod."""
    return {"name": name, "emptyDir": {"sizeLimit": f"{mib}Mi"}}


def mounts(**paths: str) -> list[Body]:
    """Where volumes are in a container, by name; a Secret's files cannot be written to anyway."""
    return [{"name": name.replace("_", "-"), "mountPath": path} for name, path in paths.items()]


def pairs(**values: str) -> list[Body]:
    """Variables of a container, or headers of a probe. None of them is a secret."""
    return [{"name": name, "value": value} for name, value in values.items()]


def probe(what: Body, *, every: int, times: int, timeout: int = 5) -> Body:
    """Asked `every` so many seconds; failed when `times` answers were wrong or late."""
    return {**what, "periodSeconds": every, "failureThreshold": times, "timeoutSeconds": timeout}
