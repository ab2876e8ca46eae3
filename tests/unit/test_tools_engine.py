"""Which engine is taken, why, and what it is asked."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.downloads.release_server import NOBODY, ReleaseServer, serving
from tools import engine, pulumi_cli, pulumi_stack
from tools.messages import ToolError
from tools.paths import LAB_PLUGINS, Cache, State
from tools.stackfile import StackFile

LOCAL = StackFile("dev", Path("Pulumi.dev.yaml"), {"config": {"k3s:platform": "local"}})
CLOUD = StackFile("prod", Path("Pulumi.prod.yaml"), {"config": {"k3s:platform": "aws"}})
# One group on a cloud is enough, however it is written.
GROUP = {"role": "agent", "count": 1, "platform": "aws"}
ELSEWHERE = [
    CLOUD,
    StackFile("host", Path("Pulumi.host.yaml"), {"config": {"k3s:platform": "existing"}}),
    *(
        StackFile("mixed", Path("Pulumi.mixed.yaml"), {"config": config})
        for config in (
            {"k3s:platform": "local", "k3s:groups": {"agent": GROUP}},
            {"k3s:platform": "local", "k3s:groups": json.dumps({"agent": GROUP})},
            {"platform": "local", "groups": {"agent": GROUP}},
        )
    ),
    StackFile(
        "hidden",
        Path("Pulumi.hidden.yaml"),
        {"config": {"k3s:platform": "local", "k3s:groups": {"secure": "v1:abc"}}},
    ),
]
PINNED = pulumi_cli.pinned_version()


class Machine:
    """A machine with or without the CLI on its PATH and the internet behind it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.cache = folder / "bin", Cache(folder / "cache")
        self._set = monkeypatch
        self.bin.mkdir()
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}/bin")
        monkeypatch.delenv("ENGINE", raising=False)
        self.releases_at(NOBODY)

    def has_cli(self, version: str) -> Path:
        cli = self.bin / "pulumi"
        cli.write_text(f"#!/bin/sh\necho {version}\n")
        cli.chmod(0o755)
        return cli

    def releases_at(self, address: str) -> None:
        self._set.setenv("PULUMI_RELEASES_URL", f"{address}/releases/sdk")

    def forces(self, name: str) -> None:
        self._set.setenv("ENGINE", name)

    def choose(self, stack: StackFile = LOCAL, made_with: str | None = None) -> engine.Engine:
        return engine.choose(stack, self.cache, made_with)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def internet(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseServer]:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with serving() as server:
        server.put_cli(PINNED)
        machine.releases_at(server.address)
        yield server


def test_the_cli_on_the_path_comes_first(machine: Machine, internet: ReleaseServer) -> None:
    cli = machine.has_cli("v3.250.1")

    chosen = machine.choose(made_with="lab")

    assert (chosen.name, chosen.executable) == ("pulumi", cli)
    assert chosen.announcement() == "engine: pulumi (v3.250.1 on the PATH)"
    assert internet.asked == []


def test_an_old_cli_is_passed_over_for_a_download(
    machine: Machine, internet: ReleaseServer
) -> None:
    machine.has_cli("v3.100.0")

    chosen = machine.choose()

    assert chosen.executable == machine.cache.cli / f"pulumi-v{PINNED}" / "pulumi"
    assert chosen.announcement() == f"engine: pulumi (v{PINNED}, downloaded)"
    assert internet.asked


def test_a_downloaded_cli_is_taken_without_asking_anybody(
    machine: Machine, internet: ReleaseServer
) -> None:
    machine.choose()
    internet.asked.clear()

    assert machine.choose().announcement() == f"engine: pulumi (v{PINNED} in the cache folder)"
    assert internet.asked == []


def test_without_the_cli_and_the_internet_it_is_the_labs(machine: Machine) -> None:
    chosen = machine.choose()

    assert (chosen.name, chosen.executable) == ("lab", None)
    assert chosen.announcement().startswith(
        "engine: lab (the Pulumi CLI is not on the PATH and 127.0.0.1 cannot be reached"
    )


@pytest.mark.usefixtures("internet")
def test_a_stack_that_the_lab_made_is_not_moved_by_a_download(machine: Machine) -> None:
    assert machine.choose(made_with="lab").name == "lab"


@pytest.mark.usefixtures("internet")
def test_engine_lab_forces_the_labs(machine: Machine) -> None:
    machine.has_cli("v3.250.1")
    machine.forces("lab")

    assert machine.choose().announcement() == "engine: lab (ENGINE=lab)"


def test_engine_pulumi_does_not_fall_back(machine: Machine) -> None:
    machine.forces("pulumi")

    with pytest.raises(ToolError, match="ENGINE=pulumi — the Pulumi CLI is not on the PATH and"):
        machine.choose()


def test_an_unknown_engine_is_refused(machine: Machine) -> None:
    machine.forces("terraform")

    with pytest.raises(ToolError, match=r"ENGINE=terraform .* ENGINE=pinned .* or ENGINE=lab"):
        machine.choose()


@pytest.mark.parametrize("stack", ELSEWHERE, ids=lambda stack: stack.platform)
def test_nodes_elsewhere_are_never_the_labs(machine: Machine, stack: StackFile) -> None:
    with pytest.raises(ToolError, match=f"stack {stack.name} on {stack.platform} .*install Pulumi"):
        machine.choose(stack)


@pytest.mark.parametrize("stack", ELSEWHERE, ids=lambda stack: stack.platform)
def test_engine_lab_is_refused_for_nodes_elsewhere(machine: Machine, stack: StackFile) -> None:
    machine.has_cli("v3.250.1")
    machine.forces("lab")

    with pytest.raises(ToolError, match=f"on {stack.platform} .* leave ENGINE= out"):
        machine.choose(stack)


def test_the_pinned_cli_is_taken_whatever_is_on_the_path(
    machine: Machine, internet: ReleaseServer
) -> None:
    machine.has_cli("v3.250.1")
    machine.forces("pinned")

    assert machine.choose(CLOUD).announcement() == f"engine: pulumi (v{PINNED}, downloaded)"
    assert internet.asked


def test_the_pinned_cli_is_not_replaced_by_another(machine: Machine) -> None:
    machine.has_cli("v3.250.1")
    machine.forces("pinned")

    with pytest.raises(ToolError, match=r"ENGINE=pinned — .*cannot be reached"):
        machine.choose(CLOUD)


def test_a_local_stack_is_changed_without_questions_and_a_cloud_is_asked() -> None:
    cli = engine.Engine("pulumi", "", Path("/bin/pulumi"))
    config = Path("/c.yaml")

    local = cli.command("up", LOCAL, config)
    cloud = cli.command("up", CLOUD, config)
    unattended = cli.command("up", CLOUD, config, unattended=True)

    assert local == [
        *("/bin/pulumi", "up", "--stack", "dev", "--config-file", "/c.yaml"),
        *("--yes", "--skip-preview", "--non-interactive"),
    ]
    assert cloud == ["/bin/pulumi", "up", "--stack", "prod"]
    assert unattended == [*cloud, "--yes", "--non-interactive"]


def test_the_labs_engine_is_asked_by_its_own_words() -> None:
    lab = engine.Engine("lab", "")

    assert lab.command("up", LOCAL, Path("/c.yaml")) == [
        *(sys.executable, "-m", "lab.engine", "up", "--stack", "dev", "--config-file", "/c.yaml")
    ]


def plugins_there(home: Path) -> None:
    for name, version in pulumi_stack.wanted_plugins():
        (home / "plugins" / f"resource-{name}-v{version}").mkdir(parents=True)


def test_the_pinned_sdks_say_which_plugins_a_local_stack_wants() -> None:
    versions = dict(pulumi_stack.wanted_plugins())

    assert versions.keys() >= {"command", "random", "tls"}
    pinned = (Path(__file__).resolve().parents[2] / "requirements.txt").read_text()
    for name, version in versions.items():
        assert f"pulumi-{name}=={version}" in pinned


def path_of(tmp_path: Path) -> tuple[list[str], str | None]:
    """The folders of the PATH, and what the user is told of plugins."""
    home = {"PULUMI_HOME": str(tmp_path), "PATH": "/bin"}
    env, words = pulumi_stack.plugin_path(home, State(tmp_path / ".state"))
    return env["PATH"].split(os.pathsep), words


@pytest.mark.usefixtures("machine")
def test_the_labs_plugins_stand_in_where_the_clis_cannot_be_had(tmp_path: Path) -> None:
    (stand_ins, *rest), words = path_of(tmp_path)

    assert rest == ["/bin"]
    assert {path.name for path in Path(stand_ins).iterdir()} == {
        f"pulumi-resource-{name}" for name in pulumi_stack.lab_plugins()
    }
    assert words is not None
    assert "cannot be reached" in words


@pytest.mark.usefixtures("machine")
def test_only_the_plugin_that_is_missing_is_stood_in_for(tmp_path: Path) -> None:
    plugins_there(tmp_path)
    next((tmp_path / "plugins").glob("resource-tls-*")).rmdir()

    (stand_ins, *_), words = path_of(tmp_path)

    (plugin,) = Path(stand_ins).iterdir()
    assert plugin.name == "pulumi-resource-tls"
    assert plugin.resolve().is_relative_to(LAB_PLUGINS)
    assert os.access(plugin, os.X_OK)
    assert words is not None
    assert words.startswith("the lab's plugins for tls: ")


@pytest.mark.usefixtures("machine")
def test_a_stand_in_of_a_folder_that_has_moved_is_linked_anew(tmp_path: Path) -> None:
    (stand_ins, *_), _ = path_of(tmp_path)
    plugin = Path(stand_ins) / "pulumi-resource-tls"
    plugin.unlink()
    plugin.symlink_to("/where/the/clone/was")

    path_of(tmp_path)

    assert plugin.exists()


@pytest.mark.usefixtures("machine")
def test_the_clis_own_plugins_are_never_hidden(tmp_path: Path) -> None:
    plugins_there(tmp_path)

    assert path_of(tmp_path) == (["/bin"], None)


def test_the_lab_has_no_plugin_for_a_cloud() -> None:
    """One on the PATH would win over the real one."""
    plugins = pulumi_stack.lab_plugins()

    assert {"command", "random", "tls"} <= set(plugins)
    assert {"aws", "digitalocean"}.isdisjoint(plugins)
