"""SSH connections as the ``connection`` input describes them.

Neither the user's SSH configuration nor any known_hosts file plays a part.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import asyncssh
from typing_extensions import override

from lab.engine.values import Properties
from lab.plugins.command.hop import Hop
from lab.plugins.refused import RefusedError
from lab.plugins.resource import Operation

_FIRST_DELAY, _DELAY_GROWTH, _LONGEST_DELAY = 0.1, 1.5, 5.0  # seconds; Pulumi's util/retry
_CLOSE_SECONDS = 2
_KEEPALIVE_SECONDS, _KEEPALIVES = 15, 4  # a host that fell silent is given up after a minute
_CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com"  # fastest first, then the usual ones

T = TypeVar("T")


class DialError(Exception):
    """One attempt to reach a host failed; another may not."""


@asynccontextmanager
async def dialled(
    operation: Operation, connection: Properties
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection as the revealed input describes it, retried as it says, closed at the end."""
    target = Hop.of(connection)
    async with AsyncExitStack() as stack:
        if not connection.get("proxy"):
            yield await _enter(stack, operation, "Dial", target)
            return
        try:
            proxy = Hop.of(connection["proxy"])
            tunnel = await _enter(stack, operation, "Dial proxy", proxy)
            through = await _enter(stack, operation, "Dial from proxy", target, tunnel)
        except RefusedError as refusal:
            raise RefusedError(f"proxy: {refusal}") from refusal
        yield through


async def _enter(
    stack: AsyncExitStack,
    operation: Operation,
    what: str,
    hop: Hop,
    tunnel: asyncssh.SSHClientConnection | None = None,
) -> asyncssh.SSHClientConnection:
    keys = await _keys(stack, hop)
    connection = await _with_retries(
        operation, what, hop.dial_error_limit, lambda: _dial(hop, keys, tunnel)
    )
    stack.push_async_callback(_close, connection)
    return connection


async def _keys(stack: AsyncExitStack, hop: Hop) -> list[Any]:
    """The private key, then those of the agent. An agent that cannot be asked is an error."""
    keys: list[Any] = [hop.private_key] if hop.private_key else []
    if hop.agent_socket:
        try:
            agent = await stack.enter_async_context(asyncssh.connect_agent(hop.agent_socket))
            keys += await agent.get_keys()
        except (OSError, ValueError, asyncssh.Error) as error:
            raise RefusedError(
                f"cannot ask the SSH agent at {hop.agent_socket}: {error}"
            ) from error
    return keys


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    try:
        await asyncio.wait_for(connection.wait_closed(), _CLOSE_SECONDS)
    except TimeoutError:
        connection.abort()


async def _with_retries(
    operation: Operation, what: str, limit: int, attempt: Callable[[], Awaitable[T]]
) -> T:
    """Attempt until it works or more than ``limit`` attempts failed, waiting longer each time."""
    failed, delay = 0, _FIRST_DELAY
    while True:
        try:
            return await attempt()
        except DialError as error:
            if -1 < limit <= failed:
                raise RefusedError(f"after {failed} failed attempts: {error}") from error
            failed += 1
            of = "inf" if limit == -1 else limit
            await operation.status(f"{what} {failed}/{of} failed: retrying ({error})")
        await asyncio.sleep(delay)
        delay = min(delay * _DELAY_GROWTH, _LONGEST_DELAY)


async def _dial(
    hop: Hop, keys: list[Any], tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    client = _Client(hop)
    try:
        async with asyncio.timeout(hop.per_dial_timeout or None):
            return await asyncssh.connect(
                hop.address, hop.port, tunnel=tunnel, **_options(hop, client, keys)
            )
    except TimeoutError as error:
        raise DialError(f"no SSH login at {hop} within {hop.per_dial_timeout} s") from error
    except asyncssh.HostKeyNotVerifiable as error:
        raise DialError(client.mismatch or f"ssh: {hop}: {error}") from error
    except asyncssh.PermissionDenied as error:
        with_what = f"{len(keys)} keys and {'a' if hop.password else 'no'} password"
        raise DialError(f"ssh: unable to log in as {hop.user} at {hop} with {with_what}") from error
    except asyncssh.ChannelOpenError as error:
        raise DialError(f"dial tcp {hop}: {error.reason}") from error
    except (OSError, asyncssh.Error) as error:
        if not client.connected:
            raise DialError(f"dial tcp {hop}: {_cause(error)}") from error
        raise DialError(f"ssh: handshake with {hop} failed: {_cause(error)}{hop.hint}") from error


def _cause(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number and number > 0 else str(error)


def _options(hop: Hop, client: "_Client", keys: list[Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "config": None,
        "client_factory": lambda: client,
        "username": hop.user,
        "client_keys": keys or None,
        "agent_path": None,
        "password": hop.password,
        "gss_host": None,
        "compression_algs": None,
        "encryption_algs": f"^{_CIPHERS}",
        "login_timeout": 0,
        "keepalive_interval": _KEEPALIVE_SECONDS,
        "keepalive_count_max": _KEEPALIVES,
        "known_hosts": None,
    }
    if hop.host_key:
        # Trusted by nothing but _Client, which compares with the one key.
        options["known_hosts"] = ([], [], [])
        options["server_host_key_algs"] = _host_key_algorithms(hop.host_key)
    return options


def _host_key_algorithms(key: asyncssh.SSHKey) -> list[str]:
    """The signatures by which a host can prove that it has this key."""
    algorithm = key.get_algorithm()
    return ["rsa-sha2-512", "rsa-sha2-256"] if algorithm == "ssh-rsa" else [algorithm]


class _Client(asyncssh.SSHClient):
    """Judges the host's key, and answers prompts with the password."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self.connected = False
        self._asked = False
        self.mismatch: str | None = None

    @override
    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connected = True

    @override
    def validate_host_public_key(
        self,
        host: str,
        addr: str,
        port: int,
        key: asyncssh.SSHKey,
    ) -> bool:
        expected = self._hop.host_key
        if expected is None or key.public_data == expected.public_data:
            return True
        self.mismatch = (
            f"ssh: host key mismatch: {self._hop} offered {_described(key)}, "
            f"but hostKey is {_described(expected)}"
        )
        return False

    def kbdint_auth_requested(self) -> str | None:
        """Once: a password that was refused is refused again."""
        asked, self._asked = self._asked, True
        return None if asked or self._hop.password is None else ""

    @override
    def kbdint_challenge_received(
        self,
        name: str,
        instructions: str,
        lang: str,
        prompts: Any,
    ) -> list[str]:
        return [self._hop.password or "" for _ in prompts]


def _described(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"
