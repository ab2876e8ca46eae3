"""A program with pulumi-kubernetes, through the lab's engine, on a real API server.

The tests run in the order in which they stand: one stack from its first preview to its end.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.helm.build import ensure
from tests.e2e.kubernetes import until
from tests.engine.workspace import Workspace
from tests.lab.kubernetes_cluster import CHART, Cluster
from tests.lab.test_plugin_kubernetes_objects import waiting
from tests.lab.test_plugin_kubernetes_releases import Watch

pytestmark = pytest.mark.nodes

PASSWORD, TOKEN = "pass-word-of-the-stack", "token-of-the-stack"
PROGRAM = '''
"""Objects of several kinds and a release, on a cluster whose kubeconfig comes late."""

import pulumi
import pulumi_command as command
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
read = command.local.Command(
    "kubeconfig",
    create=f"cat {config.require('file')}",
    logging="none",
    opts=pulumi.ResourceOptions(additional_secret_outputs=["stdout"]),
)
provider = kubernetes.Provider("lab", kubeconfig=read.stdout, cluster_identifier="lab")
on_it = pulumi.ResourceOptions(provider=provider)

apps = kubernetes.core.v1.Namespace("apps", opts=on_it)
login = kubernetes.core.v1.Secret(
    "login",
    metadata={"namespace": apps.metadata.name},
    string_data={"password": config.require_secret("password")},
    opts=on_it,
)
labels = {"app": "web"}
web = kubernetes.apps.v1.Deployment(
    "web",
    metadata={"namespace": apps.metadata.name, "name": "web"},
    spec={
        "replicas": config.require_int("replicas"),
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [
                    {
                        "name": "echo",
                        "image": "docker.io/lab/http-echo:1",
                        "image_pull_policy": "IfNotPresent",
                        "resources": {"requests": {"cpu": "0.010", "memory": "0.5Mi"}},
                        "env": [{"name": "TOKEN", "value": config.require_secret("token")}],
                    }
                ]
            },
        },
    },
    opts=on_it,
)
service = kubernetes.core.v1.Service(
    "web",
    metadata={"namespace": apps.metadata.name, "name": "web"},
    spec={"selector": labels, "ports": [{"port": 80, "target_port": 8080}]},
    opts=on_it,
)
things = kubernetes.apiextensions.v1.CustomResourceDefinition(
    "things",
    metadata={
        "name": "things.engine.lab",
        "annotations": {"pulumi.com/waitFor": "condition=Established"},
    },
    spec={
        "group": "engine.lab",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "open_apiv3_schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "free": {
                                        "type": "object",
                                        "x_kubernetes_preserve_unknown_fields": True,
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
    opts=on_it,
)
# It does not say that it depends on its definition: the provider waits for it.
thing = kubernetes.apiextensions.CustomResource(
    "thing",
    api_version="engine.lab/v1",
    kind="Thing",
    metadata={"namespace": apps.metadata.name},
    spec=config.require_object("thing"),
    opts=on_it,
)
release = kubernetes.helm.v3.Release(
    "tiny",
    chart=config.require("chart"),
    namespace=apps.metadata.name,
    values={"password": config.require_secret("password"), "colour": config.require("colour")},
    opts=on_it,
)
pulumi.export("namespace", apps.metadata.name)
pulumi.export("release", release.status.name)
pulumi.export("revision", release.status.revision)
pulumi.export("name", thing.metadata["name"])
'''
THING = {"size": 3, "free": {"as": "a bird"}}
CONFIG: dict[str, Any] = {
    "scenario:password": {"secret": PASSWORD},
    "scenario:token": {"secret": TOKEN},
    "scenario:replicas": "1",
    "scenario:colour": "red",
    "scenario:chart": str(CHART),
    "scenario:thing": json.dumps(THING),
}
OBJECTS = {
    "Namespace/apps",
    "Secret/login",
    "Deployment/web",
    "Service/web",
    "CustomResourceDefinition/things",
    "Thing/thing",
    "Release/tiny",
}


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The stack; what a failed test leaves of it is taken away."""
    folder = tmp_path_factory.mktemp("stack")
    file = folder / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(cluster.kubeconfig)
    made = Workspace(folder)
    made.write_program(PROGRAM)
    made.settings = {**CONFIG, "scenario:file": str(file)}  # type: ignore[attr-defined]
    made.configure(_settings(made))
    yield made
    made.lab("destroy")
    cluster.nodes.kubectl("delete", "crd", "gadgets.tiny.lab", "--ignore-not-found")


def _settings(stack: Workspace, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = stack.settings  # type: ignore[attr-defined]
    settings.update({f"scenario:{key}": value for key, value in changes.items()})
    return settings


def operations(found: Any) -> dict[str, list[str]]:
    """What was done to objects, by label."""
    return {label: done for label, done in found.operations.items() if label in OBJECTS}


def hits(cluster: Cluster, text: str) -> int:
    """How often a secret is in a text, also as Kubernetes encodes it."""
    key = yaml.safe_load(cluster.kubeconfig)["users"][0]["user"]["client-key-data"]
    forms = [PASSWORD, TOKEN, key, base64.b64decode(key).decode().splitlines()[1]]
    forms += [base64.b64encode(word.encode()).decode() for word in (PASSWORD, TOKEN)]
    return sum(text.count(form) for form in forms)


def test_a_preview_before_there_is_a_kubeconfig_asks_no_cluster(
    stack: Workspace, cluster: Cluster
) -> None:
    done = stack.lab("preview")
    assert done.code == 0, done.said
    assert operations(done) == {label: ["create"] for label in OBJECTS}
    assert hits(cluster, done.said) == 0


def test_up_makes_all_of_it_and_shows_no_secret(
    stack: Workspace, cluster: Cluster, tmp_path: Path
) -> None:
    ensure()
    with Watch(tmp_path) as watch:
        done = stack.lab("up", TMPDIR=str(tmp_path))
    assert done.code == 0, done.said
    assert operations(done) == {label: ["create"] for label in OBJECTS}
    assert watch.seen
    assert hits(cluster, watch.text) == 0
    assert hits(cluster, done.said) == 0
    state = "".join(p.read_text() for p in stack.backend.rglob("*") if p.is_file())
    assert "Deployment" in state
    assert hits(cluster, state) == 0

    outputs = stack.outputs()
    namespace = outputs["namespace"]
    assert namespace.startswith("apps-")
    assert outputs["revision"] == 1
    web = cluster.get("deployment", "web", "-n", namespace)
    assert web["status"]["readyReplicas"] == 1
    assert cluster.get("thing", outputs["name"], "-n", namespace)["spec"] == THING
    login = cluster.get("secret", stack.resource("login")["id"].partition("/")[2], "-n", namespace)
    assert base64.b64decode(login["data"]["password"]).decode() == PASSWORD


def test_a_second_up_and_a_refresh_change_nothing(stack: Workspace) -> None:
    for what in ("up", "refresh", "up"):
        done = stack.lab(what)
        assert done.code == 0, done.said
        assert done.operations == {}, done.said
    assert stack.outputs()["revision"] == 1


def test_one_changed_value_upgrades_one_release_and_nothing_else(stack: Workspace) -> None:
    stack.configure(_settings(stack, colour="green"))
    assert operations(stack.lab("preview")) == {"Release/tiny": ["update"]}
    done = stack.lab("up")
    assert done.code == 0, done.said
    assert operations(done) == {"Release/tiny": ["update"]}
    assert stack.outputs()["revision"] == 2


def test_a_new_password_is_a_new_secret_and_a_new_revision(
    stack: Workspace, cluster: Cluster
) -> None:
    stack.configure(_settings(stack, password={"secret": PASSWORD * 2}))
    before = stack.resource("login")["id"]
    done = stack.lab("up")
    assert done.code == 0, done.said
    assert set(operations(done)) == {"Secret/login", "Release/tiny"}
    assert stack.resource("login")["id"] != before
    assert hits(cluster, done.said + stack.checkpoint_file.read_text()) == 0


def _leads_nowhere(cluster: Cluster, namespace: str) -> bool:
    """Whether the Service has no Pod left: one that is ending would be a difference of its own."""
    of_web = ("-n", namespace, "-l", "kubernetes.io/service-name=web")
    pieces = cluster.get("endpointslices", *of_web)["items"]
    return bool(pieces) and not any(piece.get("endpoints") for piece in pieces)


def test_what_others_change_is_found_and_put_right(stack: Workspace, cluster: Cluster) -> None:
    namespace = stack.outputs()["namespace"]
    cluster.nodes.kubectl("scale", "deployment", "web", "-n", namespace, "--replicas=0")
    until(60, "the Pod is gone", lambda: _leads_nowhere(cluster, namespace))
    refreshed = stack.lab("refresh")
    assert "Deployment/web" in refreshed.operations
    done = stack.lab("up")
    assert done.code == 0, done.said
    assert operations(done) == {"Deployment/web": ["update"]}
    assert cluster.get("deployment", "web", "-n", namespace)["status"]["readyReplicas"] == 1
    cluster.nodes.kubectl("delete", "deployment", "web", "-n", namespace)
    until(60, "the Pod is gone", lambda: _leads_nowhere(cluster, namespace))
    done = stack.lab("refresh")
    assert done.code == 0, done.said
    done = stack.lab("up")
    assert done.code == 0, done.said
    assert operations(done) == {"Deployment/web": ["create"]}


def test_a_field_that_the_server_does_not_know_is_refused(stack: Workspace) -> None:
    stack.configure(_settings(stack, thing=json.dumps({**THING, "weight": 4})))
    done = stack.lab("up")
    assert done.code == 1
    assert ".spec.weight: field not declared in schema" in done.said
    stack.configure(_settings(stack, thing=json.dumps(THING)))


def test_a_renewed_kubeconfig_replaces_nothing(
    stack: Workspace, cluster: Cluster, tmp_path: Path
) -> None:
    document = yaml.safe_load(cluster.kubeconfig)
    document["clusters"][0]["cluster"]["tls-server-name"] = "kubernetes"
    file = tmp_path / "renewed"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document))
    stack.configure(_settings(stack, file=str(file)))
    done = stack.lab("up")
    assert done.code == 0, done.said
    assert operations(done) == {}
    assert done.operations["kubernetes/lab"] == ["update"]


def test_destroy_leaves_nothing(stack: Workspace, cluster: Cluster) -> None:
    namespace = stack.outputs()["namespace"]
    done = stack.lab("destroy")
    assert done.code == 0, done.said
    assert set(operations(done)) == OBJECTS
    assert stack.resources() == []
    assert cluster.get("namespace", namespace) is None
    assert cluster.get("crd", "things.engine.lab") is None


def test_a_resource_without_a_provider_of_its_own_is_refused(stack: Workspace) -> None:
    stack.write_program(
        "import pulumi_kubernetes as k\nk.core.v1.ConfigMap('x', metadata={'name': 'x'})\n"
    )
    done = stack.lab("up", KUBECONFIG="")
    assert done.code == 1
    assert "uses no cluster by chance" in done.said


UNREADY = '''
"""A Deployment that is large and, with the wrong image, never ready."""

import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
with open(config.require("file")) as file:
    kubeconfig = pulumi.Output.secret(file.read())
provider = kubernetes.Provider("lab", kubeconfig=kubeconfig, cluster_identifier="lab")
labels = {"app": "large"}
container = {
    "name": "echo",
    "image": config.require("image"),
    "image_pull_policy": "Never",
    "env": [{"name": f"NUMBER_{n}", "value": "x" * 100} for n in range(300)],
}
kubernetes.apps.v1.Deployment(
    "large",
    metadata={"annotations": {"pulumi.com/timeoutSeconds": config.require("seconds")}},
    spec={
        "selector": {"match_labels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    },
    opts=pulumi.ResourceOptions(provider=provider),
)
'''


def test_what_does_not_become_ready_is_kept_told_and_mended_by_the_next_up(
    stack: Workspace, cluster: Cluster
) -> None:
    stack.write_program(UNREADY)
    stack.configure(_settings(stack, image="docker.io/lab/not-there:1", seconds="2"))
    done = stack.lab("up")
    assert done.code == 1
    assert "timed out after 2 s waiting to be Ready" in done.said
    until(30, "the node has tried", lambda: "ErrImageNeverPull" in waiting(cluster, "default"))
    done = stack.lab("up")
    assert done.code == 1
    assert "ErrImageNeverPull" in done.said
    kept = stack.resource("large")
    assert kept["initErrors"]
    assert len(json.dumps(kept["outputs"])) > 16 * 1024  # more than a header takes by default
    stack.configure(_settings(stack, image="docker.io/lab/http-echo:1", seconds="300"))
    done = stack.lab("up")
    assert done.code == 0, done.said
    assert done.operations["Deployment/large"] == ["update"]
    assert not stack.resource("large").get("initErrors")
    assert stack.lab("destroy").code == 0
    assert cluster.names("deployments", "-n", "default") == set()
