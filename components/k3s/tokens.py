"""The tokens of a cluster, made by the stack."""

from dataclasses import dataclass

import pulumi
from pulumi_random import RandomPassword

from components.k3s.config import full_token

# Letters and digits alone: k3s splits a full token at its colons. 48 of them are 285 bits.
_LENGTH = 48


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Passwords of the two tokens (secret): servers join with one, agents with the other.

    An agent's token cannot make a server: https://docs.k3s.io/cli/token#agent.
    """

    server: pulumi.Output[str]
    agent: pulumi.Output[str]

    def full_server(self, ca_hash: pulumi.Output[str]) -> pulumi.Output[str]:
        """The full token that a server joins with (secret)."""
        return _full(ca_hash, "server", self.server)

    def full_agent(self, ca_hash: pulumi.Output[str]) -> pulumi.Output[str]:
        """The full token that an agent joins with (secret)."""
        return _full(ca_hash, "node", self.agent)


def make(cluster: str, opts: pulumi.ResourceOptions) -> Tokens:
    """Make both tokens once; they live as long as the stack."""

    def password(name: str) -> pulumi.Output[str]:
        return RandomPassword(f"{cluster}-{name}", length=_LENGTH, special=False, opts=opts).result

    return Tokens(server=password("server-token"), agent=password("agent-token"))


def _full(
    ca_hash: pulumi.Output[str], user: str, password: pulumi.Output[str]
) -> pulumi.Output[str]:
    return pulumi.Output.secret(
        pulumi.Output.all(ca_hash=ca_hash, password=password).apply(
            lambda known: full_token(known["ca_hash"], user, known["password"])
        )
    )
