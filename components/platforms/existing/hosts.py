"""One host of the inventory: its settings, and the mistakes that it shows by itself."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from components.problems import Problem
from components.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_ZONE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DEVICE = re.compile(r"/dev/[-A-Za-z0-9_./:+=@]+")
# Where no packet of the internet arrives: RFC 1918, 6598, 3927, 4193, 4291.
_NOT_REACHED = tuple(
    ipaddress.ip_network(cidr)
    for cidr in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)


class JumpHost(Settings):
    """A host in between."""

    # Both become part of a command line that people type.
    address: str = Field(
        pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$",
        description="address or name, such as 203.0.113.9",
    )
    user: str = Field(
        default="root",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$",
        description="user to log in as, such as root",
    )
    port: int = Field(default=22, ge=1, le=65535, description="SSH's port, such as 22")
    host_key: str | None = Field(
        default=None, description='its host key, such as "ssh-ed25519 AAAA…"'
    )


class Host(JumpHost):
    """One host of the inventory; root, or a user who may `sudo` without a password."""

    address: str = Field(
        pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$",
        description="address that SSH and hosts elsewhere reach it by, such as 203.0.113.7",
    )
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

    def ip(self) -> Address | None:
        """`address` where it is one, None for a name."""
        try:
            return ipaddress.ip_address(self.address)
        except ValueError:
            return None

    def internal(self) -> Address | None:
        """Its address among the hosts of its network: k3s's node-ip."""
        return self.private_address or self.ip()

    def external(self) -> Address | None:
        """Its address for all others: k3s's node-external-ip, None where it has no such.

        Clusters are IPv4 here, so an IPv6 `address` is SSH's alone.
        """
        ip = self.ip()
        shared = ip is not None and ip == self.private_address
        return None if ip is None or ip.version == 6 or shared else ip

    def reached_from_afar(self) -> bool:
        """Whether packets of the internet can arrive at its external address."""
        ip = self.external()
        return ip is not None and not any(ip in network for network in _NOT_REACHED)


def problems(key: str, host: Host) -> Iterator[Problem]:
    """Mistakes of one host; `key` is its place in the settings."""
    yield from _addresses(key, host)
    yield from _host_key(key, host)
    if host.jump is not None:
        yield from _host_key(f"{key}.jump", host.jump)
    if host.zone is not None and not _ZONE.fullmatch(host.zone):
        yield Problem(
            key=f"{key}.zone",
            given=host.zone,
            why="it becomes a label of the node",
            write="write at most 63 of A-Z a-z 0-9 - _ . with a letter or digit at either end",
        )
    for disk in host.disks:
        if not _DEVICE.fullmatch(disk):
            yield Problem(
                key=f"{key}.disks",
                given=disk,
                why="not the path of a device",
                write="write a name that stays, such as /dev/disk/by-id/… (ls -l /dev/disk/by-id)",
            )


def _addresses(key: str, host: Host) -> Iterator[Problem]:
    ip = host.ip()
    if ip is None:
        yield Problem(
            key=f"{key}.address",
            given=host.address,
            why="nodes and firewalls are told addresses, and what a name stands for can change",
            write="write the host's IP address",
        )
        return
    for name, address in (("address", ip), ("privateAddress", host.private_address)):
        if address is not None and (
            address.is_loopback or address.is_unspecified or address.is_multicast
        ):
            yield Problem(
                key=f"{key}.{name}",
                given=address,
                why="no other node can reach the host there",
                write="write the address of one of its network cards",
            )
    internal = host.internal()
    if internal is not None and internal.version == 6:
        yield Problem(
            key=f"{key}.{'privateAddress' if host.private_address else 'address'}",
            given=internal,
            why="pods have IPv4 addresses, and k3s asks for a node's address of the same family",
            write="write privateAddress with an IPv4 address of the host (address, for SSH, may "
            "be IPv6)",
        )


def _host_key(key: str, host: JumpHost) -> Iterator[Problem]:
    port = "" if host.port == 22 else f"-p {host.port} "
    find = (
        f"run ssh-keyscan {port}-t ed25519 {host.address}, compare its fingerprint (pipe it to "
        "ssh-keygen -lf -) with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the host's "
        'own console, and write "ssh-ed25519 AAAA…"'
    )
    if host.host_key is None:
        yield Problem(
            key=f"{key}.hostKey",
            given=None,
            why="whoever answers at the address would be handed the cluster's tokens",
            write=find,
        )
    elif not is_host_key(host.host_key):
        yield Problem(
            key=f"{key}.hostKey",
            given=host.host_key,
            why=f"not one whole key of type {', '.join(_KEY_TYPES)} without a name before it",
            write=find,
        )


def is_host_key(text: str) -> bool:
    """Whether the text is one whole public key in OpenSSH's form (RFC 4253, 6.6)."""
    kind, _, rest = text.strip().partition(" ")
    blob = rest.split(" ")[0]
    if kind not in _KEY_TYPES or "\n" in rest:
        return False
    try:
        found = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    fields = list(_fields(found))
    return len(fields) > 1 and fields[0] == kind.encode() and None not in fields


def _fields(blob: bytes) -> Iterator[bytes | None]:
    """The strings that a key is made of (RFC 4251, 5); None for one that ends too early."""
    while blob:
        end = 4 + int.from_bytes(blob[:4])
        yield blob[4:end] if 4 <= end <= len(blob) else None
        blob = blob[end:]
