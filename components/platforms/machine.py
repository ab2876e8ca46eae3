"""What the rest of the program knows of a node, whichever platform made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
        """The addresses, IPv4 first."""
        return pulumi.Output.all(*(a for a in (self.ipv4, self.ipv6) if a is not None))

    def of(self, *, dual_stack: bool) -> "Addresses":
        """Those that k3s is told of: a node of an IPv4 cluster has no IPv6 address there."""
        return self if dual_stack or self.ipv4 is None else Addresses(ipv4=self.ipv4)


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """How to reach a machine: `host_key` is an OpenSSH public key line and is always verified.

    `jump` is a host in between, its own host key verified as well. `dial_attempts` may fail before
    a step does.
    """

    host: pulumi.Output[str]
    user: str
    port: int
    private_key: pulumi.Output[str]
    host_key: pulumi.Output[str]
    jump: "Ssh | None" = None
    dial_attempts: int = DIAL_ATTEMPTS

    def connection(self) -> remote.ConnectionArgs:
        """The connection of pulumi-command's remote resources, with its dials bounded."""
        proxy = remote.ProxyConnectionArgs(**self.jump._arguments()) if self.jump else None
        return remote.ConnectionArgs(**self._arguments(), proxy=proxy)

    def _arguments(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "user": self.user,
            "port": float(self.port),
            "private_key": self.private_key,
            "host_key": self.host_key,
            "dial_error_limit": self.dial_attempts,
            "per_dial_timeout": DIAL_TIMEOUT_SECONDS,
        }

    def line(self) -> pulumi.Output[str]:
        """The command that a person types to get there."""
        port = "" if self.port == 22 else f"-p {self.port} "
        jump = pulumi.Output.concat("-J ", self.jump._named(), " ") if self.jump else ""
        return pulumi.Output.concat("ssh ", jump, f"{port}{self.user}@", self.host)

    def _named(self) -> pulumi.Output[str]:
        port = "" if self.port == 22 else f":{self.port}"
        # Colons would be taken for the port's.
        host = self.host.apply(lambda address: f"[{address}]" if ":" in address else address)
        return pulumi.Output.concat(f"{self.user}@", host, port)

    def known_hosts(self) -> pulumi.Output[str]:
        """The machine's line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        name = (
            self.host if self.port == 22 else pulumi.Output.concat("[", self.host, f"]:{self.port}")
        )
        return pulumi.Output.concat(name, " ", self.host_key.apply(str.strip))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A node to be.

    Nodes of one `network` reach each other's `private` addresses. `public` is what others reach it
    by; `egress` is what its own packets come from elsewhere, when that is another address.
    `id` changes when the machine is made anew (at the same addresses, perhaps), and `resource`
    stands for it: what only lives as long as the machine is `deleted_with` it.
    `arch` is amd64 or arm64. `disks` are the raw disks' device paths. `metadata` are the addresses
    at which the cloud tells the machine's secrets, which pods must not reach.
    `cloud_init` says that the machine is still being set up by cloud-init when it first answers.
    `topology` are its region and zone, as labels of the node. `provider_id` is by what a cloud's
    controller knows the node, `vpc` the cloud's own id of its network; both are a cloud's alone.
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
    network: str
    egress: Addresses = field(default_factory=Addresses)
    disks: Sequence[pulumi.Output[str]] = ()
    metadata: Sequence[str] = ()
    cloud_init: bool = False
    topology: Mapping[str, str] = field(default_factory=dict)
    provider_id: pulumi.Output[str] | None = None
    vpc: pulumi.Output[str] | None = None

    def sources(self) -> list[pulumi.Output[str]]:
        """Every public address that its packets may come from."""
        sides = (self.public, self.egress)
        return [a for side in sides for a in (side.ipv4, side.ipv6) if a is not None]
