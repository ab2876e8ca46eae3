"""The kubernetes provider: objects of any kind by server-side apply, and releases by Helm.

Meaning of inputs, settings and annotations: pulumi/pulumi-kubernetes, ``provider/pkg``. The files
stand in the order of a call: ``plugin`` (the protocol), ``settings`` and ``kubeconfig`` (which
cluster), ``objects`` and ``release`` (the two sorts of resources), ``compare`` (what differs),
``apply``, ``waiting``, ``readiness`` and ``wait_for`` (when it is in order), ``api`` and ``helm``
(what does the work).
"""

from lab.plugins.kubernetes.plugin import KubernetesProvider


def provider(engine: str | None) -> KubernetesProvider:
    """The plugin, with the address of the engine that started it."""
    return KubernetesProvider(engine)
