"""Which machines SSH does not get to, asked when a run has failed.

What a run says of it depends on the plugin: the official one's words are Go's, `ssh: host key
mismatch`, without either key; and addresses are hidden with the connections that they are part of.
Nothing is needed of a machine but that it shows its host key: nobody logs in.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from tools import checkpoints
from tools.stackfile import StackFile

_SECONDS = 5
_HOST_KEY = "-host-key"
_PRIVATE_KEY = "tls:index/privateKey:PrivateKey"
_CONTAINER = "command:local:Command"


@dataclass(frozen=True)
class Way:
    """Where a machine's sshd is, and the host key that it has to show (type and key).

    `setting` is where an existing host's key is written; None for a machine that the stack made.
    Nodes alone can be made anew one by one.
    """

    name: str
    host: str
    port: int
    host_key: str
    setting: str | None = None
    is_node: bool = True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name} at {host}:{self.port}"


def told(ways: Sequence[Way]) -> list[str]:
    """A line for each machine that does not answer as it should: what was found, what to do.

    Of several that name one place the first says what has to answer there.
    """
    places = {(way.host, way.port): way for way in reversed(ways)}
    return [line for line in asyncio.run(_ask(list(places.values()))) if line is not None]


def of_this_machine(stack: StackFile, checkpoint: Path) -> Iterator[Way]:
    """Containers that a stack here has made by its state, with the keys given to them."""
    from components.platforms.local.settings import LocalSettings, address, registration_name

    resources = checkpoints.deployment(checkpoint).get("resources") or ()
    made = {_name(r) for r in resources if r["type"] == _CONTAINER}
    try:
        cidr = IPv4Network(stack.object("local").get("publicCidr", LocalSettings().public_cidr))
    except ValueError:
        return  # another message has told of it
    for resource in resources:
        node = _name(resource).removesuffix(_HOST_KEY)
        if resource["type"] == _PRIVATE_KEY and node != _name(resource) and node in made:
            public = str(resource["outputs"]["publicKeyOpenssh"])
            is_node = node != registration_name(stack.name)
            yield Way(node, str(address(cidr, node)), 22, public, is_node=is_node)


def existing(stack: StackFile) -> Iterator[Way]:
    """Hosts of the stack file that are reached without another one in between, and those others."""
    hosts = stack.object("existing").get("hosts")
    for name, host in hosts.items() if isinstance(hosts, Mapping) else ():
        key = f"existing.hosts.{name}"
        jump = host.get("jump")
        hop = _given(f"the jump host of {name}", f"{key}.jump", jump) if jump else None
        yield from filter(None, [hop or _given(str(name), key, host)])


def of_outputs(outputs: Mapping[str, Any]) -> Iterator[Way]:
    """Machines as the stack's outputs have them since its last `up` that ended well."""
    known = dict(_known_hosts(str(outputs.get("sshKnownHosts") or "")))
    for node in outputs.get("nodes") or ():
        *_, last = str(node["ssh"]).split("@")
        if " -J " not in node["ssh"] and last in known:
            yield Way(str(node["name"]), last, *known[last])


def _known_hosts(text: str) -> Iterator[tuple[str, tuple[int, str]]]:
    for line in text.splitlines():
        place, _, key = line.partition(" ")
        host, _, port = place.removeprefix("[").partition("]:")
        yield host, (int(port or 22), key)


def _given(name: str, key: str, host: Mapping[str, Any]) -> Way | None:
    if not host.get("address") or not host.get("hostKey"):
        return None
    port = int(host.get("port") or 22)
    return Way(name, str(host["address"]), port, str(host["hostKey"]), f"{key}.hostKey")


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rpartition("::")[2]


async def _ask(ways: Sequence[Way]) -> list[str | None]:
    return await asyncio.gather(*(_judged(way) for way in ways))


async def _judged(way: Way) -> str | None:
    import asyncssh  # takes its time to load, and few commands fail

    expected = asyncssh.import_public_key(way.host_key)
    try:
        async with asyncio.timeout(_SECONDS):
            shown = await _shown(way, expected.get_algorithm())
    except TimeoutError:
        return _silent(way, f"no answer within {_SECONDS} s")
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        return _silent(way, reason)
    except asyncssh.Error as error:
        return _silent(way, f"what answers there is not its sshd ({error})")
    if shown == expected:
        return None
    return _another_key(way, _described(shown), _described(expected))


async def _shown(way: Way, algorithm: str) -> Any:
    """The host's key of the type that it should have, else whichever it has."""
    import asyncssh

    for algorithms in ([algorithm], ()):
        with contextlib.suppress(asyncssh.KeyExchangeFailed):
            key = await asyncssh.get_server_host_key(
                way.host, way.port, config=None, server_host_key_algs=algorithms
            )
            if key is not None:
                return key
    raise asyncssh.KeyExchangeFailed("it shows no host key")


def _described(key: Any) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _silent(way: Way, reason: str) -> str:
    return (
        f"{way} — SSH does not get there: {reason} — start it if it is off, and open port "
        f"{way.port} to this machine (firewalls on the way; on a cloud access.ssh){_gone(way)}"
    )


def _gone(way: Way) -> str:
    if way.setting:
        return "; for one that is gone for good see docs/existing-hosts.md"
    return f"; one that is gone for good is made anew by replace: [{way.name}]" * way.is_node


def _another_key(way: Way, shown: str, expected: str) -> str:
    do = "then put the stack's key back"
    if way.setting:
        do = f"if it is yours write it as {way.setting}"
    elif way.is_node:
        do = f"then put the stack's key back, or have it made anew by replace: [{way.name}]"
    return (
        f"{way} — its SSH host key is {shown}, and should be {expected}: it was set up anew, or "
        "another machine answers in its place — compare with what its own console shows "
        f"(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); {do}"
    )
