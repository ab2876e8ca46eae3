"""Containers that are machines: systemd and sshd, and fixed addresses on both networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_tls import PrivateKey

from components.platforms.local.network import network_name
from components.platforms.local.podman import script
from components.platforms.local.settings import LocalSettings, address
from components.platforms.machine import Ssh
from components.platforms.platform import Shared

# Half a minute: sshd was waited for when the container was made, and a container boots in seconds.
_DIAL_ATTEMPTS = 13


@dataclass(frozen=True, kw_only=True)
class Container:
    """A machine on this machine. `private` and `public` are its IPv4 addresses."""

    private: str
    public: str
    ssh: Ssh
    id: pulumi.Output[str]
    resource: pulumi.Resource


def container(
    cluster: str,
    name: str,
    settings: LocalSettings,
    *,
    shared: Shared,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Container:
    """Make it, with a host key that the stack made beforehand."""
    host_key = PrivateKey(f"{name}-host-key", algorithm="ED25519", opts=opts)
    private = str(address(settings.private_cidr, name))
    public = str(address(settings.public_cidr, name))
    authorized = shared.operator.public.apply(
        lambda key: "".join(f"{line}\n" for line in [key.strip(), *shared.access.keys()])
    )
    made = script(
        name,
        ["podman.sh", "node.sh"],
        subject=name,
        variables={
            "CONTAINER": f"k3s-{name}",
            "NODE": name,
            "NODE_HOSTNAME": name,
            "NETWORK": network_name(cluster),
            "PRIVATE_IP": private,
            "PUBLIC_IP": public,
            "HOST_KEY": host_key.private_key_openssh,
            "HOST_KEY_PUB": host_key.public_key_openssh,
        },
        triggers=[network_name(cluster), private, public, host_key.public_key_openssh],
        # As on a cloud: another image would otherwise make all machines anew at once.
        born_with={
            "IMAGE": settings.image,
            "MEMORY": settings.memory or "",
            "AUTHORIZED_KEYS": authorized,
        },
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                depends_on=list(after), replacement_trigger=shared.generations.get(name)
            ),
        ),
    )
    # Secret only for what stood on the script's standard input: a container's id is not.
    known = pulumi.Output.unsecret(made.stdout)
    return Container(
        private=private,
        public=public,
        ssh=Ssh(
            # Known only when the container answers: whatever connects waits for that.
            host=known.apply(lambda _: public),
            user="root",
            port=22,
            private_key=shared.operator.private,
            host_key=host_key.public_key_openssh,
            dial_attempts=_DIAL_ATTEMPTS,
        ),
        id=known,
        resource=made,
    )
