"""Who may come in from outside, and with which keys."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field, PlainValidator

from components.problems import Problem
from components.settings import Settings


def _cidr(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Of either family: pydantic would tell one mistake twice, once for each."""
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"not a CIDR: {error}") from None


Cidr = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, PlainValidator(_cidr)]

# GitHub's own rule: letters, digits and single dashes, 39 characters at most.
_GITHUB = re.compile(r"github:[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")
_PUBLIC_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|"
    r"sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+={0,2}( [^\n]*)?"
)


class AccessSettings(Settings):
    """Nothing is open to the whole internet unless 0.0.0.0/0 or ::/0 is written by hand."""

    ssh: tuple[Cidr, ...] = Field(
        default=(),
        description="where SSH comes from, CIDRs such as [203.0.113.7/32]; needed on a cloud",
    )
    api: tuple[Cidr, ...] = Field(
        default=(),
        description="where kubectl comes from, CIDRs such as [203.0.113.0/24]; needed on a cloud",
    )
    authorized_keys: tuple[str, ...] = Field(
        default=(),
        description="further SSH keys that may log in: public keys, or github:USER; machines that "
        "stand keep theirs",
    )

    def keys(self) -> list[str]:
        """Public keys in OpenSSH's form, without the GitHub users."""
        return [key for key in self.authorized_keys if not key.startswith("github:")]

    def github_users(self) -> list[str]:
        """GitHub users whose keys a machine fetches when it first boots."""
        return [
            key.removeprefix("github:") for key in self.authorized_keys if key.startswith("github:")
        ]


def problems(
    access: AccessSettings, *, clouds: Sequence[str], ipv4_only: Sequence[str]
) -> Iterator[Problem]:
    """Mistakes that no single field shows.

    `clouds` are the cloud platforms in use, `ipv4_only` those of all platforms without IPv6.
    """
    for name, given, why in (
        ("ssh", access.ssh, "every step on a node is an SSH session"),
        ("api", access.api, "kubectl and Helm speak to the API"),
    ):
        if clouds and not given:
            yield Problem(
                key=f"access.{name}",
                given=None,
                why=f"{why}, and on {clouds[0]} nobody gets in who is not named",
                write="write your own addresses, such as [203.0.113.7/32] "
                "(0.0.0.0/0 is the whole internet)",
            )
        for cidr in given:
            if cidr.version == 6 and ipv4_only:
                yield Problem(
                    key=f"access.{name}",
                    given=cidr,
                    why=f"{ipv4_only[0]} has no IPv6 in these settings",
                    write="write network.ipv6: true, or IPv4 addresses",
                )
    for key in access.authorized_keys:
        if not (_GITHUB if key.startswith("github:") else _PUBLIC_KEY).fullmatch(key.strip()):
            yield Problem(
                key="access.authorizedKeys",
                given=key,
                why="neither an OpenSSH public key nor a GitHub user",
                write='write "ssh-ed25519 AAAA… name", or github:USER',
            )
