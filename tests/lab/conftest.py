"""What the tests of the lab's plugins share: running plugins and an SSH host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import K3sRelease
from tests.lab.kubernetes_cluster import Cluster, running_cluster
from tests.lab.plugin_host import Plugin, running
from tests.lab.ssh_host import SshHost, ssh_host


@pytest.fixture(scope="session")
def shared_command_plugin() -> Iterator[Plugin]:
    with running("command") as plugin:
        yield plugin


@pytest.fixture
def command(shared_command_plugin: Plugin) -> Plugin:
    """The command plugin, with no messages recorded yet."""
    shared_command_plugin.engine.forget()
    return shared_command_plugin


@pytest.fixture
def own_command() -> Iterator[Plugin]:
    """A command plugin of the test's own, to be cancelled or killed."""
    with running("command") as plugin:
        yield plugin


@pytest.fixture(scope="session")
def random() -> Iterator[Plugin]:
    with running("random") as plugin:
        yield plugin


@pytest.fixture(scope="session")
def tls() -> Iterator[Plugin]:
    with running("tls") as plugin:
        yield plugin


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with ssh_host(tmp_path_factory.mktemp("host")) as made:
        yield made


@pytest.fixture(scope="session")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with ssh_host(tmp_path_factory.mktemp("bastion")) as made:
        yield made


@pytest.fixture
def other_key(tmp_path: Path) -> str:
    """A public key that no host has."""
    with ssh_host(tmp_path / "other") as other:
        return str(other.connection()["hostKey"])


@pytest.fixture(scope="session")
def cluster(node_image: str, k3s_release: K3sRelease) -> Iterator[Cluster]:
    """A cluster of one node, for all tests of a run."""
    with running_cluster(node_image, k3s_release.folder) as made:
        yield made
