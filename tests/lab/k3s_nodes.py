"""Nodes of the lab's image with the lab's k3s on them, for tests of k3s itself."""

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from tests.e2e.kubernetes import until
from tests.lab.node_stack import NodeStack

DATA = "/var/lib/rancher/k3s"
IMAGES = f"{DATA}/agent/images"
CONFIG = "/etc/rancher/k3s/config.yaml"
START_SECONDS = 600
Config = Mapping[str, Any]


@dataclass(frozen=True)
class K3sNodes:
    """Node 1 is the cluster's first server; `release` is a release folder."""

    stack: NodeStack
    release: Path

    @property
    def server(self) -> str:
        """URL of the first server."""
        return f"https://{self.stack.private_ip(1)}:6443"

    def prepare(self, number: int) -> None:
        """Puts the release's files where an air-gapped install wants them."""
        container = self.stack.container(number)
        self.stack.inside(number, "mkdir", "-p", IMAGES, "/etc/rancher/k3s", "/root/release")
        self.stack.podman("cp", f"{self.release}/k3s", f"{container}:/usr/local/bin/k3s")
        self.stack.podman("cp", f"{self.release}/install.sh", f"{container}:/root/release/")
        images = next(self.release.glob("*.tar.zst"))
        self.stack.podman("cp", str(images), f"{container}:{IMAGES}/")

    def configure(self, number: int, config: Config) -> None:
        """Writes the node's configuration: its addresses, and `config`."""
        own = {
            "node-name": f"node-{number}",
            "node-ip": self.stack.private_ip(number),
            "node-external-ip": self.stack.public_ip(number),
        }
        write = ("sh", "-c", f"umask 077; cat >{CONFIG}")
        subprocess.run(
            ["podman", "exec", "--interactive", self.stack.container(number), *write],
            input=yaml.safe_dump({**own, **config}),
            text=True,
            check=True,
        )

    def install(self, number: int, role: str) -> None:
        """Runs the installer and waits until k3s has told systemd that it is up."""
        install = (
            f"INSTALL_K3S_SKIP_DOWNLOAD=true timeout {START_SECONDS} sh /root/release/install.sh"
        )
        self.stack.inside(number, "sh", "-c", f"{install} {role}")

    def run(self, number: int, role: str) -> str:
        """Runs k3s as a unit of its own, without the installer; gives the unit's name."""
        unit = f"k3s-run-{uuid4().hex[:8]}"
        self.stack.inside(
            number, "systemd-run", "--quiet", "--unit", unit, "/usr/local/bin/k3s", role
        )
        return unit

    def refused(self, number: int, role: str, words: str) -> None:
        """Runs k3s until it says the words that refuse it."""
        unit = self.run(number, role)
        until(30, f"k3s says: {words}", lambda: words in self.journal(number, unit))
        self.stop(number, unit)

    def stop(self, number: int, unit: str) -> None:
        """Stops what `run` gave; one that ended by itself is forgotten."""
        stop = f"systemctl stop {unit}; systemctl reset-failed {unit}"
        self.stack.inside(number, "sh", "-c", f"({stop}) 2>/dev/null || true")

    def journal(self, number: int, unit: str) -> str:
        """What a unit has said."""
        return self.stack.inside(number, "journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def kubectl(self, *words: str, on: int = 1) -> str:
        """k3s's own kubectl on a server."""
        return self.stack.inside(on, "k3s", "kubectl", *words)

    def node(self, number: int) -> Any:
        """The Node, as the API has it."""
        return json.loads(self.kubectl("get", "node", f"node-{number}", "-o", "json"))

    def node_names(self) -> set[str]:
        """The names of all Nodes."""
        return set(self.kubectl("get", "nodes", "-o", "name").split())

    def etcd(self, path: str, request: Mapping[str, Any], on: int = 1) -> Any:
        """What a server's own etcd answers, past the API: its gRPC gateway's JSON."""
        tls = f"{DATA}/server/tls/etcd"
        pki = ("--cacert", f"{tls}/server-ca.crt", "--cert", f"{tls}/client.crt")
        url = f"https://127.0.0.1:2379/v3/{path}"
        words = ("--key", f"{tls}/client.key", "--data", json.dumps(request), url)
        return json.loads(self.stack.inside(on, "curl", "--fail", "-sS", "-m", "30", *pki, *words))

    def stored(self, key: str, on: int = 1) -> bytes:
        """The value of a key as it lies in etcd."""
        encoded = base64.b64encode(key.encode()).decode()
        (found,) = self.etcd("kv/range", {"key": encoded}, on)["kvs"]
        return base64.b64decode(found["value"])

    def members(self, on: int = 1) -> dict[str, str]:
        """etcd's voters as a server sees them: the member's name (<node>-<8 hex>) by node."""
        listed = self.etcd("cluster/member/list", {}, on)["members"]
        names = [member["name"] for member in listed if not member.get("isLearner")]
        return {name[:-9]: name for name in names}

    def wait_ready(self, number: int, on: int = 1) -> None:
        """Waits until the Node is there and Ready."""
        name = f"node/node-{number}"
        until(
            120,
            f"{name} is there",
            lambda: name in self.kubectl("get", "nodes", "-o", "name", on=on),
        )
        self.kubectl("wait", "--for=condition=Ready", name, "--timeout=300s", on=on)
