"""Settings of platform existing: the inventory of hosts that the stack did not make."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class JumpHost(Settings):
    """A host in between."""

    address: str = Field(description="address or name, such as 203.0.113.9")
    user: str = Field(default="root", description="user to log in as, such as root")
    port: int = Field(default=22, ge=1, le=65535, description="SSH's port, such as 22")
    host_key: str | None = Field(
        default=None, description='its host key, such as "ssh-ed25519 AAAA…"'
    )


class Host(JumpHost):
    """One host of the inventory; root, or a user who may `sudo` without a password."""

    private_address: Address | None = Field(
        default=None,
        description="its address in a network that all hosts with one share, such as 10.9.0.7",
    )
    arch: Literal["amd64", "arm64"] = Field(default="amd64", description="amd64 or arm64")
    zone: str | None = Field(default=None, description="where it stands, such as cellar")
    disks: tuple[str, ...] = Field(
        default=(), description="its raw disks, such as [/dev/disk/by-id/…]"
    )
    jump: JumpHost | None = Field(
        default=None, description="a host to go through: {address: …, hostKey: …}"
    )


class ExistingSettings(Settings):
    """Hosts by the name that groups call them by in `nodes`."""

    hosts: Mapping[str, Host] = Field(
        description="hosts by name: shed: {address: 203.0.113.7, hostKey: …}"
    )

    def lone_hosts(self) -> list[str]:
        """Hosts without a private address: none shares a network with any other."""
        return [name for name, host in self.hosts.items() if host.private_address is None]


def problems(settings: ExistingSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from ()
