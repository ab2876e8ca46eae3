"""What the rest of the program knows of a node, whichever platform made it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from components.groups import Role

# A machine that boots answers within minutes; about 15 s a refused dial, so some five minutes.
DIAL_ATTEMPTS = 20
DIAL_TIMEOUT_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Addresses of one side of a machine, by family; none where it has no such address."""

    ipv4: pulumi.Output[str] | None = None
    ipv6: pulumi.Output[str] | None = None

    def listed(self) -> pulumi.Output[Sequence[str]]:
        """The addresses, IPv4 first, as k3s takes them in `--node-ip`."""
        return pulumi.Output.all(*(a for a in (self.ipv4, self.ipv6) if a is not None))


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """How to reach a machine: `host_key` is an OpenSSH public key line and is always verified."""

    host: pulumi.Output[str]
    user: str
    port: int
    private_key: pulumi.Output[str]
    host_key: pulumi.Output[str]

    def connection(self) -> remote.ConnectionArgs:
        """The connection of pulumi-command's remote resources, with its dials bounded."""
        return remote.ConnectionArgs(
            host=self.host,
            user=self.user,
            port=float(self.port),
            private_key=self.private_key,
            host_key=self.host_key,
            dial_error_limit=DIAL_ATTEMPTS,
            per_dial_timeout=DIAL_TIMEOUT_SECONDS,
        )

    def line(self) -> pulumi.Output[str]:
        """The command that a person types to get there."""
        port = "" if self.port == 22 else f"-p {self.port} "
        return pulumi.Output.concat(f"ssh {port}{self.user}@", self.host)

    def known_hosts(self) -> pulumi.Output[str]:
        """The machine's line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        name = (
            self.host if self.port == 22 else pulumi.Output.concat("[", self.host, f"]:{self.port}")
        )
        return pulumi.Output.concat(name, " ", self.host_key.apply(str.strip))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A node to be.

    `id` changes when the machine is made anew (at the same addresses, perhaps), and `resource`
    stands for it: what only lives as long as the machine is `deleted_with` it.
    `arch` is amd64 or arm64.
    """

    name: str
    group: str
    role: Role
    arch: str
    private: Addresses
    public: Addresses
    ssh: Ssh
    id: pulumi.Output[str]
    resource: pulumi.Resource
