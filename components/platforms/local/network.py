"""The two networks of a local cluster, as a Droplet has them: one private, one public."""

import pulumi
from pulumi_command import local

from components.platforms.local.podman import script
from components.platforms.local.settings import LocalSettings


def network(cluster: str, settings: LocalSettings, opts: pulumi.ResourceOptions) -> local.Command:
    """Make both networks. What the host was like before is noted, and made so again on removal."""
    return script(
        f"{cluster}-network",
        ["podman.sh", "host.sh", "network.sh"],
        subject=network_name(cluster),
        variables={
            "NETWORK": network_name(cluster),
            "PRIVATE_CIDR": str(settings.private_cidr),
            "PUBLIC_CIDR": str(settings.public_cidr),
        },
        triggers=[str(settings.private_cidr), str(settings.public_cidr)],
        opts=opts,
    )


def network_name(cluster: str) -> str:
    """Prefix of both networks' names, and of all that Podman keeps for the cluster."""
    return f"k3s-{cluster}"
