"""A cluster of one node of the lab's k3s, for tests of what is done on a cluster from outside."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.k3s_nodes import K3sNodes
from tests.lab.node_stack import NodeStack, succeeded

CHART = Path(__file__).with_name("charts") / "tiny"
ECHO = "docker.io/lab/http-echo:1"


@dataclass(frozen=True)
class Cluster:
    """The cluster; `kubeconfig` is its administrator's, as text."""

    nodes: K3sNodes
    kubeconfig: str

    def get(self, *words: str) -> Any:
        """What kubectl gets, from JSON; None where there is no such object or kind."""
        found = self.nodes.kubectl("get", *words, "--ignore-not-found", "-o", "json")
        return json.loads(found) if found else None

    def names(self, *words: str) -> set[str]:
        """The names of all that kubectl gets, such as configmap/web."""
        return set(self.nodes.kubectl("get", *words, "-o", "name").split())


@contextmanager
def running_cluster(
    image: str,
    release: Path,
    stack: NodeStack | None = None,
    configured: Callable[[str], Mapping[str, Any]] | None = None,
) -> Iterator[Cluster]:
    """One node, ready; what an earlier killed run left is taken away first.

    `configured` gives k3s's configuration by the node's private address.
    """
    stack = stack or NodeStack(image, network="k3slab-kube", private="10.98.8", public="10.98.9")
    succeeded(stack.node("delete", 1))
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    nodes = K3sNodes(stack, release)
    try:
        succeeded(stack.node("create", 1))
        nodes.prepare(1)
        address = stack.private_ip(1)
        plain = {"cluster-init": True, "token": "a-token", "advertise-address": address}
        nodes.configure(1, configured(address) if configured else plain)
        nodes.install(1, "server")
        nodes.wait_ready(1)
        own = stack.inside(1, "cat", "/etc/rancher/k3s/k3s.yaml")
        yield Cluster(nodes, own.replace("https://127.0.0.1:6443", nodes.server))
    finally:
        succeeded(stack.node("delete", 1))
        succeeded(stack.networks("delete"))


def deployment(namespace: str, name: str = "web", **spec: Any) -> dict[str, Any]:
    """A Deployment of the lab's image; `spec` adds to its spec."""
    labels = {"app": name}
    container = {"name": "echo", "image": ECHO, "imagePullPolicy": "IfNotPresent"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def annotated(found: Mapping[str, Any], **annotations: str) -> dict[str, Any]:
    """The object with annotations of Pulumi's: skipAwait="true"."""
    own = {f"pulumi.com/{name}": text for name, text in annotations.items()}
    return {**found, "metadata": {**found["metadata"], "annotations": own}}
