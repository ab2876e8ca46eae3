"""Runs the local platform's scripts as the program does: on standard input of a shell."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from components.platforms.local.podman import SCRIPTS
from components.scripts import compose

NETWORK = "k3slab-nodes"
PRIVATE = "10.97.0"
PUBLIC = "10.97.1"
_SECONDS = 900


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 key in OpenSSH's forms."""

    private: str
    public: str

    @classmethod
    def fresh(cls) -> "KeyPair":
        key = asyncssh.generate_private_key("ssh-ed25519")
        return cls(key.export_private_key().decode(), key.export_public_key().decode())


@dataclass(frozen=True)
class NodeStack:
    """A network and nodes on it; `entry` are the words before each command (another machine)."""

    image: str
    network: str = NETWORK
    private: str = PRIVATE
    public: str = PUBLIC
    entry: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    host_key: KeyPair = field(default_factory=KeyPair.fresh)
    operator_key: KeyPair = field(default_factory=KeyPair.fresh)

    def networks(self, action: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """network.sh; `changes` replace variables."""
        variables = {
            "NETWORK": self.network,
            "PRIVATE_CIDR": f"{self.private}.0/24",
            "PUBLIC_CIDR": f"{self.public}.0/24",
        }
        return self._script(["podman.sh", "host.sh", "network.sh"], action, variables | changes)

    def node(self, action: str, number: int, **changes: str) -> subprocess.CompletedProcess[str]:
        """node.sh for node 1, 2, ...; `changes` replace variables."""
        variables = {
            "CONTAINER": self.container(number),
            "NODE_HOSTNAME": f"node-{number}",
            "NETWORK": self.network,
            "IMAGE": self.image,
            "PRIVATE_IP": self.private_ip(number),
            "PUBLIC_IP": self.public_ip(number),
            "MEMORY": "",
            "HOST_KEY": self.host_key.private,
            "HOST_KEY_PUB": self.host_key.public,
            "AUTHORIZED_KEYS": self.operator_key.public,
        }
        return self._script(["podman.sh", "node.sh"], action, variables | changes)

    def container(self, number: int) -> str:
        return f"{self.network}-{number}"

    def private_ip(self, number: int) -> str:
        return f"{self.private}.{10 + number}"

    def public_ip(self, number: int) -> str:
        return f"{self.public}.{10 + number}"

    def podman(self, *words: str) -> str:
        """What podman prints, stripped."""
        return self.run("podman", *words).stdout.strip()

    def inside(self, number: int, *words: str) -> str:
        """What a command in a node prints, stripped."""
        return self.podman("exec", self.container(number), *words)

    def banner(self, number: int, address: str) -> str:
        """What sshd at an address says first to node `number`; empty where nobody answers."""
        reading = f"timeout 30 socat -u TCP:{address}:22,readbytes=4 - || true"
        return self.inside(number, "sh", "-c", reading)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on the stack's machine; fails the test when it fails."""
        done = subprocess.run(
            [*self.entry, *words], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done

    def _script(
        self, names: list[str], action: str, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.entry, "sh", "-s", "--", action],
            input=compose([Path(SCRIPTS) / name for name in names], variables),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=self.environment,
        )


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a script printed, stripped; fails the test with its messages when it failed."""
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a script that must not have done what was asked."""
    assert done.returncode == 1, f"exit code {done.returncode}: {done.stderr}"
    assert done.stdout == ""
    return done.stderr
