"""The ``connection`` input and its ``proxy``: defaults, secrets, and the keys read."""

import os
from dataclasses import dataclass

import asyncssh

from lab.engine.values import UNKNOWN, Properties, Value, secret
from lab.plugins.refused import RefusedError
from lab.plugins.shapes import bare

DEFAULTS: Properties = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
SECRETS = ("password", "privateKey", "privateKeyPassword")


def completed(connection: Value) -> Value:
    """The input with defaults filled in and what is secret marked, proxy included."""
    plain = bare(connection)
    if not isinstance(plain, dict):
        return secret(plain)
    filled = DEFAULTS | {key: value for key, value in plain.items() if value is not None}
    for key in SECRETS:
        if key in filled:
            filled[key] = secret(filled[key])
    proxy = filled.get("proxy")
    if proxy is not None and bare(proxy) != UNKNOWN:
        filled["proxy"] = bare(completed(proxy))
    return secret(filled)


@dataclass(frozen=True)
class Hop:
    """One host on the way: how to reach it, who it must be, and as whom to enter."""

    address: str
    port: int
    user: str
    host_key: asyncssh.SSHKey | None
    private_key: asyncssh.SSHKey | None
    password: str | None
    agent_socket: str | None
    dial_error_limit: int
    """How many dials may fail; -1 is any number."""
    per_dial_timeout: int
    """Seconds for one dial, the SSH handshake and login included; 0 is no limit."""

    @classmethod
    def of(cls, given: Properties) -> "Hop":
        """The hop that a revealed connection or proxy describes. Raises ``RefusedError``."""
        given = DEFAULTS | given
        return cls(
            address=given["host"],
            port=int(given["port"]),
            user=given["user"],
            host_key=_host_key(given.get("hostKey")),
            private_key=_private_key(given.get("privateKey"), given.get("privateKeyPassword")),
            password=given.get("password"),
            agent_socket=given.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK") or None,
            dial_error_limit=int(given["dialErrorLimit"]),
            per_dial_timeout=int(given["perDialTimeout"]),
        )

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"

    @property
    def hint(self) -> str:
        """What may be wrong when the host breaks off early on."""
        if self.host_key is None:
            return ""
        kind = self.host_key.get_algorithm()
        return f" (hostKey is of type {kind}, so no other type is asked of the host)"


def _host_key(text: str | None) -> asyncssh.SSHKey | None:
    if text is None:
        return None
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError as error:
        raise RefusedError(
            f"failed to parse host key: {error} — write it as in /etc/ssh/ssh_host_ed25519_key.pub"
        ) from error


def _private_key(text: str | None, password: str | None) -> asyncssh.SSHKey | None:
    if text is None:
        return None
    try:
        return asyncssh.import_private_key(text, password)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise RefusedError(f"failed to parse private key: {error}") from error
