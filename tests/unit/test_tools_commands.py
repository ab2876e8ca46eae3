"""The commands from end to end, run as `make` runs them, with the official CLI as their engine.

The CLI, the lab's builders and apt are other programs: small stand-ins note how they are asked.
The cluster's API is a TLS server that wants the kubeconfig's own certificate.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.downloads.release_server import NOBODY
from tests.unit.test_tools_cluster_api import TABLE, Api, serving_nodes

ROOT = Path(__file__).resolve().parents[2]
# Does to files what the real one does: `stack init` writes the salt beside Pulumi.yaml in its
# folder and makes the checkpoint; up and destroy change the checkpoint. Notes how it was asked.
PULUMI = """#!{python}
import json, os, sys
from pathlib import Path

words = [word for word in sys.argv[1:] if word != "--non-interactive"]
if words == ["version"]:
    print("v3.272.0")
    sys.exit()
backend = os.environ.get("PULUMI_BACKEND_URL", "")
folder = Path(backend.removeprefix("file://"), ".pulumi/stacks/k3s")
with Path(os.environ["STUB"], "asked").open("a") as asked:
    env = {{name: value for name, value in os.environ.items() if name.startswith("PULUMI_")}}
    note = {{"words": words, "argv": sys.argv[1:], "cwd": os.getcwd(), "env": env}}
    asked.write(json.dumps(note) + "\\n")
checkpoint = folder / "dev.json"

def keep(resources):
    if not backend.startswith("file://"):
        return  # as with a login: the state is elsewhere
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text(json.dumps({{"checkpoint": {{"latest": {{"resources": resources}}}}}}))

if words[:2] == ["stack", "init"]:
    with Path("Pulumi.dev.yaml").open("a") as config:
        config.write("encryptionsalt: v1:of-the-cli\\n")
    keep([])
elif words[:2] == ["stack", "output"]:
    print(Path(os.environ["STUB"], "outputs").read_text())
elif Path(os.environ["STUB"], "fails").exists():
    print("error: the program failed", file=sys.stderr)
    sys.exit(255)
else:
    keep([{{"urn": "x"}}] if words[0] == "up" else [])
    print("what the CLI says of", words[0])
"""
DEV = """\
config:
  k3s:platform: local
  k3s:groups: {server: {role: server, count: 1}}
  k3s:k3s: {version: v1.35.6+k3s1, artifacts: {from: release}}
"""


class User:
    """Somebody with the CLI on the PATH, in a clone of the project."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.stub, self.home = folder / "clone", folder / "stub", folder / "home"
        self.clone.mkdir()
        self.stub.mkdir()
        for part in ("tools", "components", "stacks", "workloads"):
            shutil.copytree(ROOT / part, self.clone / part)
        (self.clone / "tools" / "packages.py").write_text("def ensure(): pass\n")
        (self.clone / "tools" / "podman.py").write_text(
            "def check(): pass\ndef as_root(*command): return list(command)\n"
        )
        for part, made in (("nodes", "localhost/k3s-node:abc"), ("k3s", "/cache/k3s/v9+lab")):
            (self.clone / "lab" / part).mkdir(parents=True)
            (self.clone / "lab" / part / "build.py").write_text(f"print({made!r})\n")
        (self.clone / "Pulumi.dev.yaml").write_text(DEV)
        plugins = (("command", "1.2.1"), ("random", "4.21.4"), ("tls", "5.6.2"))
        for name, version in plugins:
            installed = folder / "cache" / "pulumi" / "plugins" / f"resource-{name}-v{version}"
            installed.mkdir(parents=True)
        (self.stub / "pulumi").write_text(PULUMI.format(python=sys.executable))
        (self.stub / "pulumi").chmod(0o755)

    def make(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        env = {
            "PATH": f"{self.stub}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.home),
            "STUB": str(self.stub),
            "K3S_PULUMI_CACHE": str(self.stub.parent / "cache"),
            "K3S": "lab",
            **variables,
        }
        command = [sys.executable, "-m", "tools", *words]
        return subprocess.run(
            command, cwd=self.clone, env=env, capture_output=True, text=True, check=False
        )

    def notes(self) -> list[dict[str, Any]]:
        """How the CLI was asked: its words, its folder, and Pulumi's own variables."""
        asked = self.stub / "asked"
        return [json.loads(line) for line in asked.read_text().splitlines()]

    def asked(self) -> list[list[str]]:
        return [note["words"] for note in self.notes()]

    @property
    def kubeconfig(self) -> Path:
        return self.clone / ".state" / "kubeconfig" / "dev.yaml"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving_nodes(tmp_path) as api:
        yield api


@pytest.fixture
def user(tmp_path: Path, api: Api) -> User:
    user = User(tmp_path)
    kubeconfig = api.kubeconfig(api.authority.certificate, api.authority.issue("admin"))
    (user.stub / "outputs").write_text(json.dumps({"kubeconfig": kubeconfig}))
    return user


def test_up_ends_with_the_nodes_the_seconds_and_the_export_line(user: User) -> None:
    done = user.make("up")

    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.rstrip().splitlines()
    assert last == f"export KUBECONFIG={user.kubeconfig}"
    said, _, rest = done.stdout.partition(TABLE)
    assert said == "what the CLI says of up\n"
    assert "stack dev is up after " in rest


def test_up_says_in_a_line_each_what_was_taken(user: User) -> None:
    assert user.make("up").stderr.splitlines() == [
        "engine: pulumi (v3.272.0 on the PATH)",
        "k3s: lab (K3S=lab)",
        "node image: localhost/k3s-node:abc",
    ]


def test_the_cli_is_asked_with_a_file_of_its_own_and_the_users_stays(user: User) -> None:
    user.make("up")

    config = user.clone / ".state" / "config" / "Pulumi.dev.yaml"
    init, up, outputs = user.asked()
    assert init == ["stack", "init", "dev", "--no-select", "--secrets-provider", "passphrase"]
    assert up[:5] == ["up", "--stack", "dev", "--config-file", str(config)]
    assert outputs == ["stack", "output", "--stack", "dev", "--json", "--show-secrets"]
    generated = yaml.safe_load(config.read_text())
    assert generated["encryptionsalt"] == "v1:of-the-cli"
    assert generated["config"]["k3s:k3s"]["version"] == "v9+lab"
    assert (user.clone / "Pulumi.dev.yaml").read_text() == DEV


def test_the_generated_file_still_says_where_it_comes_from_once_the_cli_has_salted_it(
    user: User,
) -> None:
    user.make("up")

    generated = (user.clone / ".state" / "config" / "Pulumi.dev.yaml").read_text()
    assert generated.startswith("# Made by `make` from Pulumi.dev.yaml")
    assert generated.count("encryptionsalt:") == 1


def test_a_second_up_makes_no_second_stack(user: User) -> None:
    user.make("up")
    user.make("up")

    assert [words[:2] for words in user.asked()].count(["stack", "init"]) == 1
    config = user.clone / ".state" / "config" / "Pulumi.dev.yaml"
    assert yaml.safe_load(config.read_text())["encryptionsalt"] == "v1:of-the-cli"


def test_the_kubeconfig_is_private_on_disk_and_alone_on_standard_output(user: User) -> None:
    user.make("up")

    assert stat.S_IMODE(user.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE((user.clone / ".state").stat().st_mode) == 0o700
    assert user.make("kubeconfig").stdout == user.kubeconfig.read_text()


def test_nodes_are_shown_without_kubectl(user: User) -> None:
    user.make("up")

    assert user.make("nodes").stdout == f"{TABLE}\n"


def test_after_destroy_nothing_is_kept_for_the_stack(user: User) -> None:
    user.make("up")

    done = user.make("destroy")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "stack dev is gone"
    assert not user.kubeconfig.exists()
    assert not (user.clone / ".state" / "choices" / "dev.json").exists()


@pytest.mark.parametrize("command", ["outputs", "kubeconfig", "nodes", "refresh"])
def test_a_stack_that_was_not_made_is_told_as_such(user: User, command: str) -> None:
    done = user.make(command)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("it has not been made yet — run `make up STACK=dev`\n")


def test_there_is_nothing_to_destroy_of_a_stack_that_was_not_made(user: User) -> None:
    done = user.make("destroy")

    assert (done.returncode, done.stderr) == (0, "stack dev is not there: nothing to destroy\n")


def test_an_engine_that_fails_ends_in_one_message_and_exit_code_1(user: User) -> None:
    (user.stub / "fails").touch()

    done = user.make("up")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "make up: stack dev — the pulumi engine ended with exit code 255, see above — "
        "put the cause right and run `make up STACK=dev` again"
    )
    assert not user.kubeconfig.exists()


def test_nothing_is_written_to_the_users_home(user: User) -> None:
    for command in ("up", "preview", "outputs", "kubeconfig", "refresh", "destroy"):
        user.make(command)

    assert not user.home.exists()


def test_mistakes_in_the_stack_file_are_told_before_anything_is_built(user: User) -> None:
    (user.clone / "Pulumi.dev.yaml").write_text(DEV.replace("count: 1", "cuont: 1"))
    run = user.make("up")
    assert run.returncode == 1
    assert "groups.server.cuont: 1 — there is no such setting — write count" in run.stderr
    assert "node image" not in run.stderr
    assert not (user.stub / "asked").exists()


STAGING = """\
# Comments of the user.
config:
  k3s:platform: digitalocean
  k3s:groups:
    server: {role: server, count: 1}
    agent: {role: agent, count: 1}
  k3s:k3s: {version: v1.35.6+k3s1}
  k3s:access: {ssh: [203.0.113.0/24], api: [203.0.113.0/24]}
  k3s:digitalocean: {region: fra1}
"""
LOGIN = {"K3S": "", "PULUMI_CONFIG_PASSPHRASE": "the user's own"}


@pytest.fixture
def on_a_cloud(user: User) -> User:
    """The same with a stack on a cloud, and a login to a backend of the user's."""
    (user.clone / "Pulumi.staging.yaml").write_text(STAGING)
    return user


def test_a_stack_on_a_cloud_is_brought_up_in_the_users_own_pulumi(on_a_cloud: User) -> None:
    done = on_a_cloud.make("up", "--stack", "staging", **LOGIN)

    assert done.returncode == 0, done.stderr
    up, outputs = on_a_cloud.notes()
    assert up["argv"] == ["up", "--stack", "staging"]
    assert up["cwd"] == str(on_a_cloud.clone)
    for note in (up, outputs):
        assert note["env"] == {
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_CONFIG_PASSPHRASE": "the user's own",
        }
    assert (on_a_cloud.clone / "Pulumi.staging.yaml").read_text() == STAGING
    # Of all that is kept for a stack on this machine, only the kubeconfig is here.
    kubeconfig = on_a_cloud.clone / ".state" / "kubeconfig" / "staging.yaml"
    kept = [path for path in (on_a_cloud.clone / ".state").rglob("*") if path.is_file()]
    assert kept == [kubeconfig]
    assert done.stdout.endswith(f"export KUBECONFIG={kubeconfig}\n")
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE((on_a_cloud.clone / ".state").stat().st_mode) == 0o700


def test_unattended_it_asks_nothing_and_leaves_no_kubeconfig(on_a_cloud: User) -> None:
    done = on_a_cloud.make("up", "--stack", "staging", "--unattended", **LOGIN)

    assert done.returncode == 0, done.stderr
    (up,) = on_a_cloud.notes()
    assert up["argv"] == ["up", "--stack", "staging", "--yes", "--non-interactive"]
    assert not (on_a_cloud.clone / ".state").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("preview", ["preview", "--stack", "staging"]),
        ("refresh", ["refresh", "--stack", "staging"]),
        ("destroy", ["destroy", "--stack", "staging"]),
        ("outputs", ["stack", "output", "--stack", "staging"]),
    ],
)
def test_other_commands_ask_the_users_own_pulumi_too(
    on_a_cloud: User, command: str, words: list[str]
) -> None:
    done = on_a_cloud.make(command, "--stack", "staging", **LOGIN)

    assert done.returncode == 0, done.stderr
    (note,) = on_a_cloud.notes()
    assert note["argv"] == words
    assert "PULUMI_BACKEND_URL" not in note["env"]
    assert not (on_a_cloud.clone / ".state").exists()


def test_nodes_and_kubeconfig_of_a_stack_on_a_cloud_come_from_its_outputs(on_a_cloud: User) -> None:
    assert on_a_cloud.make("nodes", "--stack", "staging", **LOGIN).stdout == f"{TABLE}\n"
    kubeconfig = json.loads((on_a_cloud.stub / "outputs").read_text())["kubeconfig"]
    assert on_a_cloud.make("kubeconfig", "--stack", "staging", **LOGIN).stdout == kubeconfig


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        (
            "preview",
            {"ENGINE": "lab", "K3S": ""},
            "ENGINE=lab for stack staging on digitalocean — the lab's engine is for nodes on this "
            "machine alone — leave ENGINE= out: the official Pulumi CLI drives this stack",
        ),
        (
            "up",
            {"K3S": "lab"},
            "K3S=lab for a stack on digitalocean — the lab's k3s is for nodes on this machine — "
            "leave K3S= out",
        ),
    ],
)
def test_what_is_of_the_lab_is_refused_in_one_line_and_nothing_is_asked(
    on_a_cloud: User, command: str, variables: dict[str, str], message: str
) -> None:
    done = on_a_cloud.make(command, "--stack", "staging", **variables)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"make {command}: {message}\n"
    assert not (on_a_cloud.stub / "asked").exists()
    assert not (on_a_cloud.clone / ".state").exists()


def test_without_the_cli_a_stack_on_a_cloud_is_told_what_to_install(on_a_cloud: User) -> None:
    (on_a_cloud.stub / "pulumi").unlink()
    gone = {"PULUMI_RELEASES_URL": NOBODY, "K3S": ""}

    done = on_a_cloud.make("preview", "--stack", "staging", **gone)

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "make preview: stack staging on digitalocean — only the official Pulumi CLI drives it, "
        "and the Pulumi CLI is not on the PATH and 127.0.0.1 cannot be reached"
    )
    assert line.endswith("install Pulumi (https://www.pulumi.com/docs/install/)")


def test_a_backend_that_does_not_know_the_stack_is_told_with_both_ways_on(on_a_cloud: User) -> None:
    (on_a_cloud.stub / "outputs").unlink()

    done = on_a_cloud.make("kubeconfig", "--stack", "staging", **LOGIN)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "log in to the backend that has it (`pulumi login`), or run `make up STACK=staging`"
    )
