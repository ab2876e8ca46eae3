"""What cannot work is refused in one clear message, and without the mistake the next `up` works.

The tests on the stack run in the order in which they stand. Its nodes are on a disk of their own,
in memory, whose size a test says.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import K3sRelease
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.workspace import Made, Workspace
from tools import checkpoints
from tools.paths import State

pytestmark = pytest.mark.nodes

STACK = "k3srefuse"
SERVER = {"server": {"role": "server", "count": 1}}
AGENT = {"agent": {"role": "agent", "count": 1}}
LOCAL = {"privateCidr": "10.158.0.0/16", "publicCidr": "10.159.0.0/16"}
K3S = {"version": "v1.35.6+k3s1", "disable": ["traefik", "servicelb", "metrics-server"]}


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Settings in place of some, words before the command, and a PATH without some programs."""

    told: str
    settings: Mapping[str, object] = field(default_factory=dict)
    under: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


# Root that has no power over the machine, as in many a container.
_POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
MISTAKES = {
    "an unknown key": Mistake(
        settings={"k3s": K3S | {"disabel": ["traefik"]}},
        told="k3s.disabel: ['traefik'] — there is no such setting — write disable",
    ),
    "an address that is no network": Mistake(
        settings={"local": LOCAL | {"privateCidr": "10.158.0.1/16"}},
        told="local.privateCidr: 10.158.0.1/16 — it has bits set behind its prefix, which a "
        "network has not: 10.158.0.0/16 is one — write ",
    ),
    "two networks that overlap": Mistake(
        settings={"local": LOCAL | {"publicCidr": "10.158.128.0/17"}},
        told="local.publicCidr: 10.158.128.0/17 — it overlaps local.privateCidr 10.158.0.0/16 — ",
    ),
    "a network of pods that overlaps that of nodes": Mistake(
        settings={"k3s": K3S | {"clusterCidr": "10.158.0.0/16"}},
        told="local.privateCidr: 10.158.0.0/16 — it overlaps k3s.clusterCidr 10.158.0.0/16 — ",
    ),
    "two servers": Mistake(
        settings={"groups": {"server": {"role": "server", "count": 2}}},
        told="groups: 2 servers — etcd keeps its quorum no better with an even number ",
    ),
    "a node twice": Mistake(
        settings={"groups": {"server": {"role": "server", "nodes": ["1", "1"]}}},
        told="groups.server.nodes: ['1', '1'] — a name stands there twice — name each node once",
    ),
    "two groups with a node of one name": Mistake(
        settings={
            "groups": SERVER
            | {"a": {"role": "agent", "nodes": ["b-1"]}, "a-b": {"role": "agent", "count": 1}}
        },
        told=f"groups.a-b: {STACK}-a-b-1 — group a has a node of that name — ",
    ),
    "nodes of too little memory": Mistake(
        settings={"local": LOCAL | {"memory": "400m"}},
        told="local.memory: 400m — a k3s server does not start with less than 1024 MiB — ",
    ),
    "no Podman": Mistake(
        without=("podman", "apt-get"),
        told="podman, netavark, iptables missing — nodes on this machine need them, and there is "
        "no apt-get here — install them with",
    ),
    "Podman without rights": Mistake(
        under=_POWERLESS,
        told="podman — nodes on this machine need it as root, and it does not work with root's "
        "rights here: ",
    ),
}


@dataclass(frozen=True)
class Disk:
    """The file system that nodes are on: in memory, and as large as is said."""

    folder: Path

    def resize(self, size: str) -> None:
        """Such as 1g."""
        words = ["mount", "-o", f"remount,size={size}", "tmpfs", str(self.folder)]
        subprocess.run(words, check=True)


@pytest.fixture(scope="module")
def disk(
    node_image: str, k3s_release: K3sRelease, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Disk]:
    """What Podman makes meanwhile is on it; images are where they are."""
    assert node_image
    assert k3s_release
    folder = tmp_path_factory.mktemp("podman")
    made = Disk(folder / "disk")
    made.folder.mkdir()
    driver, images = asked_podman("{{.Store.GraphDriverName}} {{.Store.GraphRoot}}").split()
    configuration = folder / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "{driver}"\ngraphroot = "{made.folder}/containers"\n'
        f'runroot = "{folder}/run"\n[storage.options]\nadditionalimagestores = ["{images}"]\n'
    )
    words = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(made.folder)]
    subprocess.run(words, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(configuration))
        yield made
        # Podman leaves a mount of its own there.
        subprocess.run(["umount", "--recursive", str(made.folder)], check=True)


def asked_podman(template: str) -> str:
    words = ["podman", "info", "--format", template]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def workspace(disk: Disk, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """The copy, its nodes on the disk."""
    assert disk
    settings = SETTINGS | {"groups": SERVER, "k3s": K3S, "local": LOCAL}
    with working_in(Workspace(STACK, settings), request) as made:
        yield made


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_before_anything_is_made(
    workspace: Workspace, mistake: Mistake, tmp_path: Path
) -> None:
    right = {"groups": SERVER, "k3s": K3S, "local": LOCAL}
    workspace.configure(**right | mistake.settings)
    path = path_without(tmp_path, mistake.without) if mistake.without else os.environ["PATH"]
    refused = workspace.command("up", under=mistake.under, PATH=path)
    workspace.configure(**right)
    assert refused.code == 1, refused.text
    assert mistake.told in refused.text
    # The one mistake is told of, and nothing else.
    assert len(refused.text.strip().splitlines()) <= 2, refused.text
    assert not checkpoints.has_resources(State(workspace.state).checkpoint(STACK))


def path_without(folder: Path, programs: Sequence[str]) -> str:
    """A PATH on which all is that is on this one, but for some programs."""
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            link.unlink(missing_ok=True)
            if program.name not in programs:
                link.symlink_to(program)
    return str(folder)


def refused(made: Made, *words: str) -> None:
    """One message has these words, whoever passes it on."""
    assert made.code == 1, made.text
    for told in words:
        assert told in made.text, made.text


def stands(made: Made, *nodes: str) -> None:
    assert made.code == 0, made.text
    for node in nodes:
        assert re.search(rf"^{STACK}-{node} +Ready", made.stdout, re.MULTILINE), made.text


def test_no_state_is_begun_where_there_is_no_room_for_it(workspace: Workspace) -> None:
    workspace.state.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(workspace.state)]
    subprocess.run(words, check=True)
    try:
        made = workspace.command("up")
        assert list(workspace.state.iterdir()) == []
    finally:
        subprocess.run(["umount", str(workspace.state)], check=True)
    refused(made, f"{workspace.state} — 1 MiB are free there, and what is written of a stack needs")


def test_addresses_that_are_in_use_are_not_taken(workspace: Workspace) -> None:
    route = ["blackhole", "10.158.3.0/24"]
    subprocess.run(["ip", "route", "add", *route], check=True)
    try:
        made = workspace.command("up")
    finally:
        subprocess.run(["ip", "route", "del", *route], check=True)
    refused(made, f"10.158.0.0/16 (k3s-{STACK}-private): overlaps 10.158.3.0/24 (route) — ")


def test_a_disk_that_is_full_takes_no_node(workspace: Workspace) -> None:
    made = workspace.command("up")
    refused(
        made,
        f"{STACK}-server-1: prepare: this machine cannot be a node:\n",
        " MiB free under /var/lib/rancher — images and data need 2048 MiB — free some, or use",
    )


def test_less_disk_than_k3s_asks_for_is_an_error_or_a_warning(
    workspace: Workspace, disk: Disk
) -> None:
    disk.resize("12g")
    told = "12 GB of disk under /var/lib/rancher — images and data fill less than 20 GB soon — use"
    workspace.configure(requirements="error")
    refused(workspace.command("up"), told, "or write requirements: warning")

    workspace.configure(requirements="warning")
    made = workspace.command("up")
    stands(made, "server-1")
    assert f"{STACK}-server-1: prepare: warning: {told}" in made.text


def test_a_file_with_another_checksum_is_not_used(
    workspace: Workspace, k3s_release: K3sRelease, tmp_path: Path
) -> None:
    folder = tmp_path / k3s_release.version
    shutil.copytree(k3s_release.folder, folder)
    (images,) = folder.glob("k3s-airgap-images-*")
    with images.open("ab") as file:
        file.write(b"more")
    artifacts = {"from": "folder", "folder": str(folder)}
    workspace.configure(
        groups=SERVER | AGENT, k3s=K3S | {"version": k3s_release.version, "artifacts": artifacts}
    )
    made = workspace.command("up", K3S="")
    told = (
        rf"{STACK}-agent-1: \w+: {images.name} has SHA-256 \w{{64}} — expected is \w{{64}} — it was"
    )
    assert made.code == 1, made.text
    assert re.search(told, made.text), made.text

    workspace.configure(k3s=K3S)
    stands(workspace.command("up"), "server-1", "agent-1")


def test_a_closed_port_and_another_host_key_are_told_with_their_machines(
    workspace: Workspace, disk: Disk
) -> None:
    """Both at once: a run tries for half a minute before it gives one up."""
    should_be = fingerprint("server-1")
    inside("server-1", "cp -a /etc/ssh /root/ssh; rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -A")
    inside("server-1", "systemctl restart ssh")
    inside(
        "agent-1",
        "nft add table inet closed; nft add chain inet closed in '{ type filter hook "
        "input priority 0; }'; nft add rule inet closed in tcp dport 22 reject with tcp reset",
    )
    disk.resize("40g")
    # Whatever has every machine looked at again.
    workspace.configure(requirements="error")
    refused(
        workspace.command("up"),
        f"{STACK}-agent-1 at {address('agent-1')}:22 — SSH does not get there: connection refused "
        "— start it if it is off, and open port 22 to this machine",
        f"{STACK}-server-1 at {address('server-1')}:22 — its SSH host key is ssh-ed25519 "
        f"{fingerprint('server-1')}, and should be ssh-ed25519 {should_be}: it was set up anew, or",
        f"have it made anew by replace: [{STACK}-server-1]",
    )
    inside("server-1", "rm -r /etc/ssh; mv /root/ssh /etc/ssh; systemctl restart ssh")
    inside("agent-1", "nft delete table inet closed")
    stands(workspace.command("up"), "server-1", "agent-1")


def inside(node: str, script: str) -> str:
    words = ["podman", "exec", f"k3s-{STACK}-{node}", "sh", "-ec", script]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def fingerprint(node: str) -> str:
    """Of its host key, as its console shows it."""
    return inside(node, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def address(node: str) -> str:
    """Where the stack reaches it."""
    return inside(node, "ip -4 -o address show eth0").split()[3].partition("/")[0]
