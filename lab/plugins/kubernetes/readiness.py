"""When an object is in order: what is still missing, kind by kind.

Each rule is what ``provider/pkg/await`` in pulumi-kubernetes waits for, without its pause of ten
seconds in which endpoints settle.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lab.plugins.kubernetes.api import Api, ApiError, Mapped, Object

Rule = Callable[[Api, Object], Awaitable[list[str]]]
"""Gives what is missing, [] when the object is in order."""

_PODS = Mapped("v1", "pods", namespaced=True)
_SLICES = Mapped("discovery.k8s.io/v1", "endpointslices", namespaced=True)
_CLASSES = Mapped("storage.k8s.io/v1", "storageclasses", namespaced=False)


class HopelessError(Exception):
    """An object will not come in order however long one waits; ``reasons`` say why."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def rule_for(found: Object) -> Rule | None:
    """The rule of the object's kind; None for kinds that are in order once they are there."""
    return _RULES.get((found.get("apiVersion", ""), found.get("kind", "")))


def conditions(found: Object) -> dict[str, Object]:
    """The object's conditions by type."""
    listed = found.get("status", {}).get("conditions") or ()
    return {c["type"]: c for c in listed if isinstance(c, dict) and "type" in c}


def told(condition: Object) -> str:
    """A condition in words."""
    reason = f" [{condition['reason']}]" if condition.get("reason") else ""
    return f"{condition['type']}={condition.get('status')}{reason} {condition.get('message', '')}"


async def _deployment(api: Api, found: Object) -> list[str]:
    status, known = found.get("status", {}), conditions(found)
    wanted = found.get("spec", {}).get("replicas", 1)
    missing = _unobserved(found)
    missing += _count("updated", status.get("updatedReplicas"), wanted)
    missing += _count("ready", status.get("readyReplicas"), wanted)
    for kind, good in (("Available", None), ("Progressing", "NewReplicaSetAvailable")):
        condition = known.get(kind)
        if condition is None:
            missing.append(f"no condition {kind} yet")
        elif condition["status"] != "True" or (good and condition.get("reason") != good):
            missing.append(told(condition))
    return missing and [*missing, *await _pods(api, found)]


async def _stateful_set(api: Api, found: Object) -> list[str]:
    status, spec = found.get("status", {}), found.get("spec", {})
    wanted = spec.get("replicas", 1)
    missing = _unobserved(found) + _count("ready", status.get("readyReplicas"), wanted)
    if spec.get("updateStrategy", {}).get("type", "RollingUpdate") == "RollingUpdate":
        partition = spec.get("updateStrategy", {}).get("rollingUpdate", {}).get("partition", 0)
        missing += _count("updated", status.get("updatedReplicas"), max(wanted - partition, 0))
        if not partition and status.get("updateRevision") != status.get("currentRevision"):
            missing.append("the update is not through yet")
    return missing and [*missing, *await _pods(api, found)]


async def _daemon_set(api: Api, found: Object) -> list[str]:
    status = found.get("status", {})
    wanted = status.get("desiredNumberScheduled")
    missing = _unobserved(found)
    if wanted is None:
        return [*missing, "not scheduled yet"]
    missing += _count("scheduled", status.get("currentNumberScheduled"), wanted)
    if found.get("spec", {}).get("updateStrategy", {}).get("type") != "OnDelete":
        missing += _count("updated", status.get("updatedNumberScheduled"), wanted)
    missing += _count("available", status.get("numberAvailable"), wanted)
    return missing and [*missing, *await _pods(api, found)]


async def _job(api: Api, found: Object) -> list[str]:
    known = conditions(found)
    if known.get("Complete", {}).get("status") == "True":
        return []
    if found.get("spec", {}).get("suspend"):
        return []
    troubles = await _pods(api, found)
    if known.get("Failed", {}).get("status") == "True":
        raise HopelessError([told(known["Failed"]), *troubles])
    return ["not complete yet", *troubles]


async def _pod(_api: Api, found: Object) -> list[str]:
    status, known = found.get("status", {}), conditions(found)
    if status.get("phase") == "Succeeded":
        return []
    if known.get("Ready", {}).get("status") == "True":
        return []
    return [told(known["Ready"])] * ("Ready" in known) + _pod_troubles(found) or [
        f"phase {status.get('phase')}"
    ]


async def _service(api: Api, found: Object) -> list[str]:
    spec, status = found.get("spec", {}), found.get("status", {})
    missing = []
    if spec.get("type") == "LoadBalancer" and not status.get("loadBalancer", {}).get("ingress"):
        missing.append("no address of a load balancer was given to it")
    selects = spec.get("selector") and spec.get("clusterIP") != "None"
    if selects and spec.get("type") != "ExternalName":
        missing += await _endpoints(api, found)
    return missing


async def _endpoints(api: Api, found: Object) -> list[str]:
    """The provider waits until the controller has looked, and none of the Pods is unready."""
    own = found["metadata"]
    listed = await api.request(
        "GET",
        _SLICES.path(own.get("namespace")),
        labelSelector=f"kubernetes.io/service-name={own['name']}",
    )
    if not listed["items"]:
        return ["its endpoints are not made yet"]
    endpoints = [e for piece in listed["items"] for e in piece.get("endpoints") or ()]
    unready = [e for e in endpoints if e.get("conditions", {}).get("ready") is False]
    return [f"{len(unready)} of its {len(endpoints)} endpoints not ready"] if unready else []


async def _claim(api: Api, found: Object) -> list[str]:
    """A claim whose class binds with the first consumer has nothing to wait for before it."""
    phase = found.get("status", {}).get("phase")
    if phase == "Bound":
        return []
    name = found.get("spec", {}).get("storageClassName")
    if phase == "Pending" and name:
        try:
            storage = await api.request("GET", _CLASSES.path(None, name))
        except ApiError as error:
            return [f"phase Pending, storage class {name}: {error}"]
        if storage.get("volumeBindingMode") == "WaitForFirstConsumer":
            return []
    return [f"phase {phase}, not Bound"]


async def _volume(_api: Api, found: Object) -> list[str]:
    phase = found.get("status", {}).get("phase")
    return [] if phase in ("Available", "Bound") else [f"phase {phase}, not Available"]


async def _ingress(_api: Api, found: Object) -> list[str]:
    if found.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return []
    return ["no address was given to it: is there an ingress controller of its class?"]


def _unobserved(found: Object) -> list[str]:
    seen = found.get("status", {}).get("observedGeneration", 0)
    return [] if seen >= found["metadata"].get("generation", 0) else ["not seen by its controller"]


def _count(what: str, has: int | None, wanted: int) -> list[str]:
    return [] if (has or 0) >= wanted else [f"{has or 0} of {wanted} {what}"]


async def _pods(api: Api, owner: Object) -> list[str]:
    """What keeps the owner's Pods from running."""
    labels: Mapping[str, Any] = owner["spec"].get("selector", {}).get("matchLabels") or {}
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    path = _PODS.path(owner["metadata"].get("namespace"))
    listed = await api.request("GET", path, labelSelector=selector)
    return [trouble for pod in listed["items"] for trouble in _pod_troubles(pod)]


def _pod_troubles(pod: Object) -> list[str]:
    name = f"pod {pod['metadata']['name']}"
    scheduled = conditions(pod).get("PodScheduled", {})
    troubles = [f"{name}: {told(scheduled)}"] if scheduled.get("status") == "False" else []
    status = pod.get("status", {})
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            for state in ("waiting", "terminated"):
                cause = container.get("state", {}).get(state)
                if cause and not (state == "terminated" and cause.get("exitCode") == 0):
                    words = f"[{cause.get('reason')}] {cause.get('message', '')}".strip()
                    troubles.append(f"{name}, container {container['name']}: {words}")
    return troubles


_RULES: dict[tuple[str, str], Rule] = {
    ("apps/v1", "DaemonSet"): _daemon_set,
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("batch/v1", "Job"): _job,
    ("networking.k8s.io/v1", "Ingress"): _ingress,
    ("v1", "PersistentVolume"): _volume,
    ("v1", "PersistentVolumeClaim"): _claim,
    ("v1", "Pod"): _pod,
    ("v1", "Service"): _service,
}
