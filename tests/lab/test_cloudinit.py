"""Machines that boot with the stack's user data, as on a cloud, and are then prepared for k3s."""

import asyncio
import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncssh
import pytest

from components import scripts
from components.access import AccessSettings
from components.k3s import artifacts, first_boot
from components.k3s.release import Release, release
from components.k3s.settings import Artifacts, K3sSettings
from components.platforms import cloudinit
from tests.downloads.release_server import ReleaseServer, serving
from tests.e2e.kubernetes import until
from tests.lab.cloud_machine import ARCH, cloud_image, prepare_script, schema, with_user_data
from tests.lab.node_stack import KeyPair, NodeStack, succeeded
from tests.unit.program import run_stack

pytestmark = pytest.mark.nodes

VERSION = "v1.35.6+k3s1"
INSTALLER = b"#!/bin/sh\necho installer\n"
FRIEND = KeyPair.fresh()
LOGIN_SECONDS = 120
BOOT_SECONDS = 400


@dataclass(frozen=True)
class Cloud:
    """A network of the tests' own, and a release that its machines fetch over it."""

    image: str
    stack: NodeStack
    server: ReleaseServer

    @property
    def settings(self) -> K3sSettings:
        """The server as a mirror, which may be one in clear as its address is private."""
        return K3sSettings(
            version=VERSION, artifacts=Artifacts(source="mirror", url=self.server.address)
        )

    @property
    def release(self) -> Release:
        """What a machine fetches."""
        return release(self.settings, ARCH)

    def serve(self) -> None:
        """Put the release on the server."""
        folder = self.server.put_k3s(VERSION, ARCH)
        for name in (*self.release.files.all()[:-1],):
            self.server.files[self._path(name)] = self.server.files.pop(f"{folder}/{name}")
        self.server.files[self._path("install.sh")] = INSTALLER

    def paths(self) -> set[str]:
        """What a machine asks the server for."""
        return {self._path(name) for name in self.release.files.all()}

    def _path(self, name: str) -> str:
        assert self.release.downloads
        return f"{self.release.downloads.base.removeprefix(self.server.address)}/{name}"

    @contextmanager
    def machine(self, number: int, access: AccessSettings) -> "Iterator[Machine]":
        """A machine that has booted with the stack's user data, gone with the block."""
        made = Machine(self, number)
        text = user_data(made, access, self.settings)
        with with_user_data(self.image, made.name, text) as image:
            try:
                succeeded(self.stack.node("create", number, IMAGE=image))
                made.wait_for_boot()
                yield made
            finally:
                succeeded(self.stack.node("delete", number))


@dataclass(frozen=True)
class Machine:
    """One machine. The image had other keys, those of the cloud's `stack`, when it booted."""

    cloud: Cloud
    number: int
    host_key: KeyPair = field(default_factory=KeyPair.fresh)
    operator: KeyPair = field(default_factory=KeyPair.fresh)

    @property
    def name(self) -> str:
        """Its host name."""
        return f"cloud-server-{self.number}"

    @property
    def address(self) -> str:
        """Where it answers."""
        return self.cloud.stack.public_ip(self.number)

    def inside(self, *words: str) -> str:
        """What a command in it prints, as root."""
        return self.cloud.stack.inside(self.number, *words)

    def unit(self, name: str, what: str) -> str:
        """A property of a unit, as systemd has it."""
        return self.inside("systemctl", "show", "--property", what, "--value", name)

    def wait_for_boot(self) -> None:
        """Waits until cloud-init and what it began have ended, however they ended."""
        self.inside("sh", "-c", f"timeout {BOOT_SECONDS} cloud-init status --wait || true")
        until(
            BOOT_SECONDS,
            "the first boot's script has ended",
            lambda: self.unit(cloudinit.FIRST_BOOT_UNIT, "SubState") in {"dead", "failed"},
        )

    def login(self, command: str, **changes: Any) -> asyncssh.SSHCompletedProcess:
        """A command over SSH; exactly the stack's host key is trusted unless `changes` say else."""
        given = changes.pop("input", None)
        options: dict[str, Any] = {
            "username": cloudinit.SSH_USER,
            "client_keys": [asyncssh.import_private_key(self.operator.private)],
            "known_hosts": ([asyncssh.import_public_key(self.host_key.public)], [], []),
            "config": None,
            "agent_path": None,
            "login_timeout": LOGIN_SECONDS,
        }

        async def run() -> asyncssh.SSHCompletedProcess:
            async with asyncssh.connect(self.address, **{**options, **changes}) as connection:
                return await connection.run(command, input=given, timeout=BOOT_SECONDS)

        return asyncio.run(run())

    def prepare(self, **changes: str) -> tuple[int | None, str]:
        """prepare.sh as the program runs it: exit code, and what it said."""
        command = scripts.command("create", "prepare", user=cloudinit.SSH_USER, seconds=300)
        chosen = self.cloud.release
        done = self.login(
            command,
            input=prepare_script(
                **{
                    **chosen.variables(),
                    **chosen.download_variables(),
                    "NODE": self.name,
                    "CLOUD_INIT": "yes",
                    **changes,
                }
            ),
        )
        return done.returncode, str(done.stderr)


def methods(machine: Machine, user: str) -> Sequence[str]:
    """By what sshd lets a user try to log in."""
    return asyncio.run(asyncssh.get_server_auth_methods(machine.address, username=user))


def user_data(machine: Machine, access: AccessSettings, settings: K3sSettings) -> str:
    """What the stack hands to a machine."""
    return cloudinit.user_data(
        hostname=machine.name,
        host_key=machine.host_key.private,
        host_key_pub=machine.host_key.public,
        operator_key=machine.operator.public,
        access=access,
        first_boot=first_boot.scripts(settings)[ARCH],
    )


@pytest.fixture(scope="module")
def cloud(node_image: str) -> Iterator[Cloud]:
    stack = NodeStack(node_image, network="k3slab-cloud", private="10.97.4", public="10.97.5")
    succeeded(stack.networks("delete"))
    succeeded(stack.networks("create"))
    with serving(f"{stack.public}.1") as server, pytest.MonkeyPatch.context() as patch:
        lock = {"url": "", "sha256": hashlib.sha256(INSTALLER).hexdigest()}
        patch.setattr(artifacts, "_LOCK", lock)
        yield Cloud(cloud_image(node_image), stack, server)
    succeeded(stack.networks("delete"))


@pytest.fixture(scope="module")
def machine(cloud: Cloud) -> Iterator[Machine]:
    """A machine that found the release on its server when it booted."""
    cloud.serve()
    access = AccessSettings(authorized_keys=(f"{FRIEND.public.strip()} friend",))
    with cloud.machine(1, access) as made:
        yield made


@pytest.mark.parametrize(
    ("keys", "fetches"),
    [((), False), ((f"{FRIEND.public.strip()} friend", "github:octocat"), True)],
    ids=["the least", "all options"],
)
def test_cloud_init_has_nothing_against_the_user_data(
    cloud: Cloud, keys: tuple[str, ...], fetches: bool
) -> None:
    text = cloudinit.user_data(
        hostname="staging-server-1",
        host_key=FRIEND.private,
        host_key_pub=FRIEND.public,
        operator_key=FRIEND.public,
        access=AccessSettings(authorized_keys=keys),
        first_boot=first_boot.scripts(cloud.settings)[ARCH] if fetches else None,
    )
    checked = schema(cloud.image, text)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("Valid cloud-config")


@pytest.mark.parametrize(
    ("stack", "platforms"),
    [
        ("staging", {"digitalocean"}),
        ("production", {"aws"}),
        ("hybrid", {"aws", "digitalocean"}),
    ],
)
def test_cloud_init_has_nothing_against_what_the_stacks_machines_are_handed(
    cloud: Cloud, stack: str, platforms: set[str]
) -> None:
    machines = [r for r in run_stack(stack).resources.values() if "userData" in r.inputs]
    assert {machine.type.partition(":")[0] for machine in machines} == platforms
    texts = [machine.inputs["userData"] for machine in machines]
    checked = schema(cloud.image, *texts)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count("Valid cloud-config") == len(texts) >= 3


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("ed25519_private:", "ed25519_privat:"), ("lock_passwd:", "lock_password:")],
)
def test_a_wrong_word_is_noticed(cloud: Cloud, right: str, wrong: str) -> None:
    text = user_data(Machine(cloud, 1), AccessSettings(), cloud.settings)
    assert text.count(right) == 1
    checked = schema(cloud.image, text.replace(right, wrong))
    assert checked.returncode == 1
    assert wrong.rstrip(":") in checked.stderr


def test_the_first_connection_is_verified_and_its_user_becomes_root(machine: Machine) -> None:
    done = machine.login("whoami && hostname && sudo -n whoami")
    assert str(done.stdout).split() == ["k3s", machine.name, "root"]


def test_the_machine_is_known_by_the_stacks_host_key_alone(machine: Machine) -> None:
    stale = asyncssh.import_public_key(machine.cloud.stack.host_key.public)
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        machine.login("true", known_hosts=([stale], [], []))
    kinds = ("ssh-keyscan", "-t", "dsa,ecdsa,rsa,ed25519", machine.address)
    (offered,) = machine.inside(*kinds).splitlines()
    assert offered.split()[1:3] == machine.host_key.public.split()[:2]


def test_root_and_passwords_are_refused(machine: Machine) -> None:
    stack = machine.cloud.stack
    assert stack.operator_key.public.strip() in machine.inside("cat", "/root/.ssh/authorized_keys")
    root = [asyncssh.import_private_key(stack.operator_key.private)]
    with pytest.raises(asyncssh.PermissionDenied):
        machine.login("true", username="root", client_keys=root)
    for user in ("root", "k3s"):
        assert methods(machine, user) == ["publickey"]
    assert machine.inside("passwd", "--status", "k3s").split()[1] == "L"


def test_exactly_the_given_keys_may_log_in(machine: Machine) -> None:
    lines = machine.inside("cat", "/home/k3s/.ssh/authorized_keys").splitlines()
    assert sorted(lines) == sorted(
        [machine.operator.public.strip(), f"{FRIEND.public.strip()} friend"]
    )
    friend = [asyncssh.import_private_key(FRIEND.private)]
    assert str(machine.login("whoami", client_keys=friend).stdout) == "k3s\n"
    stranger = [asyncssh.import_private_key(KeyPair.fresh().private)]
    with pytest.raises(asyncssh.PermissionDenied):
        machine.login("true", client_keys=stranger)


def test_prepare_finds_what_the_machine_fetched_while_it_booted(machine: Machine) -> None:
    assert machine.unit(cloudinit.FIRST_BOOT_UNIT, "Result") == "success"
    asked = list(machine.cloud.server.asked)
    assert sorted(asked) == sorted(machine.cloud.paths())

    code, said = machine.prepare()

    assert (code, said) == (0, f"{machine.name}: prepare: is fit to be a k3s server\n")
    assert machine.cloud.server.asked == asked


def test_a_kernel_is_asked_for_wireguard_before_k3s_needs_it(machine: Machine) -> None:
    ask = ["unshare", "--net", "ip", "link", "add", "name", "wg", "type", "wireguard"]
    has_it = subprocess.run(ask, stderr=subprocess.DEVNULL, check=False).returncode == 0

    for _ in range(2):  # nothing is left over that would be in the way
        code, said = machine.prepare(BACKEND="wireguard-native")
        assert ("the kernel has no WireGuard" in said) != has_it
        assert code == (0 if has_it else 1)


def test_a_boot_that_could_not_fetch_is_told_of_and_made_good(cloud: Cloud) -> None:
    cloud.server.files.clear()
    with cloud.machine(2, AccessSettings(authorized_keys=("github:octocat",))) as machine:
        assert machine.inside("systemctl", "is-active", "multi-user.target") == "active"
        cloud.serve()
        code, said = machine.prepare()
        again, then = machine.prepare()
    assert code == 0, said
    assert "prepare: what it began at boot has failed:\n" in said
    assert "The requested URL returned error: 404" in said
    assert "cloud-init: ssh-import-id is not installed" in said
    assert "fetches" in said
    assert again == 0
    assert "has failed" not in then
    assert "fetches" not in then
