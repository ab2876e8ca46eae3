"""What a stack exports, and which of it is secret."""

from collections.abc import Mapping

import pulumi

from components.addons.prometheus import Prometheus
from components.cluster import K3sCluster
from workloads.wordpress import WordPress


def export(cluster: K3sCluster, workloads: Mapping[str, WordPress]) -> None:
    """Export the stack's outputs. Tokens, kubeconfig, SSH key and passwords are secret."""
    pulumi.export("kubeconfig", pulumi.Output.secret(cluster.kubeconfig))
    pulumi.export("serverToken", pulumi.Output.secret(cluster.server_token))
    pulumi.export("agentToken", pulumi.Output.secret(cluster.agent_token))
    pulumi.export("apiEndpoint", cluster.api_endpoint)
    pulumi.export("nodes", cluster.nodes)
    pulumi.export("k3sVersion", cluster.k3s_version)
    pulumi.export("sshPrivateKey", pulumi.Output.secret(cluster.ssh_private_key))
    pulumi.export("sshKnownHosts", cluster.ssh_known_hosts)
    monitoring = cluster.addons.get("prometheus")
    if isinstance(monitoring, Prometheus):
        pulumi.export("grafanaPassword", pulumi.Output.secret(monitoring.grafana_password))
    if site := workloads.get("wordpress"):
        pulumi.export("wordpressUrl", site.url)
        pulumi.export("wordpressPassword", pulumi.Output.secret(site.admin_password))
