"""Helm releases on a real API server, made and changed by the kubernetes plugin."""

import http.server
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.engine.values import (
    ASSET,
    SIGNATURE,
    UNKNOWN,
    Properties,
    from_struct,
    has_unknown,
    is_secret,
    reveal,
    secret,
)
from lab.helm.build import ensure
from lab.plugins.kubernetes.memory import memory_file
from tests.e2e.kubernetes import until
from tests.lab.kubernetes_cluster import CHART, Cluster
from tests.lab.plugin_host import Plugin, error_of, running
from tests.lab.test_plugin_kubernetes_objects import failed

pytestmark = pytest.mark.nodes

RELEASE = "kubernetes:helm.sh/v3:Release"
PASSWORD = "correct horse battery"
_OWN = {"configmap/kube-root-ca.crt"}  # of every namespace


@pytest.fixture(scope="module")
def helm() -> Path:
    return ensure()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin puts what is gone after each command."""
    return tmp_path_factory.mktemp("plugin")


@pytest.fixture(scope="module")
def plugin(
    cluster: Cluster,
    helm: Path,  # noqa: ARG001 - built before calls are timed
    folder: Path,
) -> Iterator[Plugin]:
    with running("kubernetes", {"TMPDIR": str(folder)}) as started:
        started.configure({"kubeconfig": secret(cluster.kubeconfig), "namespace": "releases"})
        yield started


def tiny(name: str, **inputs: Any) -> Properties:
    """The inputs of a release of the tests' chart, as the SDK sends them."""
    return {"chart": str(CHART), "name": name, "compat": "true", "createNamespace": True, **inputs}


def test_a_release_is_installed_upgraded_in_place_and_uninstalled(
    plugin: Plugin, cluster: Cluster
) -> None:
    inputs = plugin.check(RELEASE, tiny("course", values={"colour": "blue"}))
    assert plugin.failures == {}
    assert (inputs["namespace"], inputs["version"], inputs["timeout"]) == ("releases", "0.1.0", 300)
    id_, state = plugin.create(RELEASE, inputs)
    assert id_ == "releases/course"
    assert state["status"] == {
        "appVersion": "1.0",
        "chart": "tiny",
        "name": "course",
        "namespace": "releases",
        "revision": 1,
        "status": "deployed",
        "version": "0.1.0",
    }
    assert state["resourceNames"]["Deployment.apps/apps/v1"] == ["course"]
    assert cluster.get("deployment", "course", "-n", "releases")["status"]["readyReplicas"] == 1
    assert plugin.diff(RELEASE, inputs, inputs, state).changes == 1  # none
    assert from_struct(plugin.read(RELEASE, state, inputs).properties) == state

    green = plugin.check(RELEASE, tiny("course", values={"colour": "green"}), inputs)
    changes = plugin.diff(RELEASE, inputs, green, state)
    assert sorted(changes.detailedDiff) == ["values.colour"]
    assert not changes.replaces
    upgraded = plugin.update(RELEASE, state, green)
    assert upgraded["status"]["revision"] == 2
    assert cluster.get("configmap", "course", "-n", "releases")["data"] == {"colour": "green"}

    plugin.delete(RELEASE, upgraded, id_)
    kinds = "deployments,configmaps,secrets,pods"
    until(30, "nothing is left", lambda: cluster.names(kinds, "-n", "releases") == _OWN)
    assert plugin.read(RELEASE, upgraded, green).id == ""
    assert cluster.get("crd", "gadgets.tiny.lab")  # Helm keeps a chart's CRDs


def test_another_name_or_namespace_means_another_release(plugin: Plugin) -> None:
    inputs = plugin.check(RELEASE, tiny("one"))
    other = plugin.check(RELEASE, tiny("two", namespace="elsewhere"))
    changes = plugin.diff(RELEASE, inputs, other, {**inputs, "__inputs": secret(inputs)})
    assert sorted(changes.replaces) == ["name", "namespace"]


def test_a_release_without_a_name_gets_one_that_it_keeps(plugin: Plugin) -> None:
    first = plugin.check(RELEASE, {"chart": str(CHART)}, seed=b"seed")
    assert first["name"].startswith("it-")
    assert plugin.check(RELEASE, {"chart": str(CHART)}, first)["name"] == first["name"]


def test_what_helm_finds_changed_by_others_is_put_right(
    plugin: Plugin, cluster: Cluster, tmp_path: Path
) -> None:
    inputs = plugin.check(RELEASE, tiny("drift", values={"colour": "blue"}))
    id_, state = plugin.create(RELEASE, inputs)
    _helm(cluster, tmp_path, "upgrade", "drift", str(CHART), "--set", "colour=black")
    read = from_struct(plugin.read(RELEASE, state, inputs).properties)
    assert read["values"] == {"colour": "black"}
    assert sorted(plugin.diff(RELEASE, inputs, inputs, read).detailedDiff) == ["values.colour"]
    assert plugin.update(RELEASE, read, inputs)["status"]["revision"] == 3
    plugin.delete(RELEASE, read, id_)


def test_a_release_that_does_not_become_ready_is_kept_and_can_be_mended(
    plugin: Plugin, cluster: Cluster
) -> None:
    values = {"image": "docker.io/lab/not-there:1"}
    inputs = plugin.check(RELEASE, tiny("slow", timeout=3, values=values))
    kept = failed(lambda: plugin.create(RELEASE, inputs))
    assert kept.id == "releases/slow"
    assert "failed to initialize completely" in kept.reasons[0]
    state = from_struct(kept.properties)
    assert state["status"]["status"] == "failed"
    plugin.delete(RELEASE, {**state, "timeout": 300}, kept.id)
    atomic = plugin.check(RELEASE, tiny("slow", timeout=3, values=values, atomic=True))
    assert "Helm release 'releases/slow'" in error_of(lambda: plugin.create(RELEASE, atomic))
    assert cluster.get("deployment", "slow", "-n", "releases") is None
    skipping = plugin.check(RELEASE, tiny("slow", skipAwait=True, values=values))
    _, state = plugin.create(RELEASE, skipping)
    assert state["status"]["status"] == "deployed"
    plugin.delete(RELEASE, state, "releases/slow")


def test_a_name_in_use_is_refused_and_the_other_release_stays(
    plugin: Plugin, cluster: Cluster
) -> None:
    inputs = plugin.check(RELEASE, tiny("used"))
    id_, state = plugin.create(RELEASE, inputs)
    text = error_of(lambda: plugin.create(RELEASE, inputs))
    assert "cannot re-use a name that is still in use" in text
    assert cluster.get("deployment", "used", "-n", "releases")
    plugin.delete(RELEASE, state, id_)


def test_files_of_values_lie_under_the_programs_own(plugin: Plugin, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("colour: grey\ndeep: {a: 1, b: 2}\n")
    files = [
        {SIGNATURE: ASSET, "path": str(tmp_path / "values.yaml"), "hash": "x"},
        {SIGNATURE: ASSET, "text": "deep: {b: 3}", "hash": "y"},
    ]
    given = tiny("files", valueYamlFiles=files, values={"deep": {"c": secret(4)}})
    inputs = plugin.check(RELEASE, given)
    assert inputs["values"] == {"colour": "grey", "deep": {"a": 1, "b": 3, "c": secret(4)}}
    assert "valueYamlFiles" not in inputs
    whole = plugin.check(RELEASE, {**given, "valueYamlFiles": secret(files)})["values"]
    assert is_secret(whole)


def test_crds_come_unless_they_are_skipped(plugin: Plugin, cluster: Cluster) -> None:
    cluster.nodes.kubectl("delete", "crd", "gadgets.tiny.lab", "--ignore-not-found")
    for skip in (True, False):
        inputs = plugin.check(RELEASE, tiny("crds", skipCrds=skip))
        id_, state = plugin.create(RELEASE, inputs)
        assert (cluster.get("crd", "gadgets.tiny.lab") is None) == skip
        plugin.delete(RELEASE, state, id_)


@pytest.fixture(scope="module")
def repository(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL of a chart repository with two versions of the chart, and an archive of it."""
    folder = tmp_path_factory.mktemp("charts")
    for version in ("0.1.0", "0.2.0"):
        source = folder / "source"
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(CHART, source)
        chart = yaml.safe_load((source / "Chart.yaml").read_text())
        (source / "Chart.yaml").write_text(yaml.safe_dump({**chart, "version": version}))
        subprocess.run([helm, "package", source, "-d", folder], check=True, capture_output=True)
    subprocess.run([helm, "repo", "index", folder], check=True, capture_output=True)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder / "tiny-0.2.0.tgz"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_chart_comes_from_a_repository_with_the_version_that_was_asked_for(
    plugin: Plugin, repository: tuple[str, Path]
) -> None:
    url, archive = repository
    given = {"chart": "tiny", "name": "fetched", "createNamespace": True}
    remote = {**given, "repositoryOpts": {"repo": url}}
    for wanted, version in (("0.1.0", "0.1.0"), ("~0.1", "0.1.0"), (None, "0.2.0")):
        assert plugin.check(RELEASE, {**remote, "version": wanted})["version"] == version
    inputs = plugin.check(RELEASE, {**remote, "version": "0.1.0"})
    id_, state = plugin.create(RELEASE, inputs)
    local = plugin.check(RELEASE, {**given, "chart": str(archive)}, inputs)
    assert plugin.update(RELEASE, state, local)["status"]["version"] == "0.2.0"
    plugin.delete(RELEASE, state, id_)
    plugin.check(RELEASE, {**remote, "version": "9.9.9"})
    assert "tiny" in plugin.failures["chart"]
    plugin.check(RELEASE, {**given, "chart": "./not-there"})
    assert "neither a chart's folder" in plugin.failures["chart"]


@pytest.mark.parametrize(
    ("wrong", "name", "words"),
    [
        ({"skipAwaits": True}, "skipAwaits", "write skipAwait?"),
        ({"timeout": "5m"}, "timeout", "a string was given — write a whole number"),
        ({"postrender": "cat"}, "postrender", "does not do this"),
        ({"repositoryOpts": {"password": "x"}}, "repositoryOpts.password", "does not do this"),
        ({"valueYamlFiles": ["x.yaml"]}, "valueYamlFiles[0]", "FileAsset"),
    ],
)
def test_inputs_that_cannot_work_are_refused(
    plugin: Plugin, wrong: Properties, name: str, words: str
) -> None:
    plugin.check(RELEASE, {**tiny("wrong"), **wrong})
    assert words in plugin.failures[name]


def test_a_preview_installs_nothing_and_takes_unknown_values(
    plugin: Plugin, cluster: Cluster
) -> None:
    inputs = plugin.check(RELEASE, tiny("dry", values={"password": secret(UNKNOWN)}))
    _, state = plugin.create(RELEASE, inputs, preview=True)
    assert has_unknown(state["status"])
    assert cluster.get("deployment", "dry", "-n", "releases") is None


def test_secrets_are_in_no_argument_environment_file_error_or_plain_state(
    plugin: Plugin, cluster: Cluster, folder: Path
) -> None:
    watch = Watch(folder)
    values = {"password": secret(PASSWORD)}
    inputs = plugin.check(RELEASE, tiny("hidden", values=values))
    with watch:
        id_, state = plugin.create(RELEASE, inputs)
        changed = plugin.check(RELEASE, tiny("hidden", values={**values, "colour": "blue"}))
        state = plugin.update(RELEASE, state, changed)
        plugin.delete(RELEASE, state, id_)
    assert watch.seen >= 3, "no helm was seen at work"
    key = yaml.safe_load(cluster.kubeconfig)["users"][0]["user"]["client-key-data"]
    for secret_text in (PASSWORD, key):
        assert watch.text.count(secret_text) == 0
    assert state["values"]["password"] == secret(PASSWORD)
    assert is_secret(state["__inputs"])
    broken = tiny("hidden", values={"refuse": secret(PASSWORD)})
    text = error_of(lambda: plugin.create(RELEASE, plugin.check(RELEASE, broken)))
    assert text.endswith(": [secret]")
    assert PASSWORD not in text
    assert PASSWORD in str(reveal(state))  # what was looked for is what was given
    assert list(folder.iterdir()) == []


def test_cancelling_ends_helm_and_notes_the_failure(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    values = {"image": "docker.io/lab/not-there:1"}
    with running("kubernetes", {"TMPDIR": str(tmp_path)}) as own:
        own.configure({"kubeconfig": cluster.kubeconfig, "namespace": "releases"})
        inputs = own.check(RELEASE, tiny("cancelled", values=values))
        under_way = own.start_create(RELEASE, inputs)
        listed = ("get", "deployment", "cancelled", "-n", "releases", "--ignore-not-found")
        until(20, "the release is under way", lambda: cluster.nodes.kubectl(*listed))
        own.cancel()
        assert "cancelled while it ran" in error_of(under_way.result)
        assert not _processes(tmp_path)
        assert list(tmp_path.iterdir()) == []
    state = {**inputs, "__inputs": secret(inputs)}
    read = from_struct(plugin.read(RELEASE, state, inputs).properties)
    assert read["status"]["status"] in ("failed", "pending-install")
    plugin.delete(RELEASE, state, "releases/cancelled")


class Watch:
    """Gathers what can be seen of a plugin's Helm at work, and the files in the plugin's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._end = folder, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.text, self.seen = "", 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        pids: set[str] = set()
        while not self._end.is_set():
            found = _processes(self._folder)
            pids |= found.keys()
            self.text += "".join(found.values())
            for folder, _, names in os.walk(self._folder):
                for name in names:
                    self.text += _content(Path(folder) / name)
            time.sleep(0.02)
        self.seen = len(pids)


def _processes(folder: Path) -> dict[str, str]:
    """Arguments and environment of the processes that work in a folder, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            environment = _content(entry / "environ")
            if f"HELM_CACHE_HOME={folder}" in environment:
                found[entry.name] = environment + _content(entry / "cmdline")
    return found


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""  # it has gone in between


def _helm(cluster: Cluster, home: Path, *words: str) -> None:
    """The tests' own Helm, for changes behind the plugin's back."""
    with memory_file("kubeconfig", cluster.kubeconfig.encode()) as (path, number):
        command = [str(ensure()), *words, "--namespace", "releases", "--kubeconfig", path]
        environment = {**os.environ, "HOME": str(home)}
        subprocess.run(command, check=True, capture_output=True, pass_fds=[number], env=environment)
