"""Objects on a real API server, made and changed by the kubernetes plugin."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import yaml
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from lab.engine.values import (
    SECRET,
    SIGNATURE,
    UNKNOWN,
    Properties,
    from_struct,
    is_secret,
    reveal,
    secret,
)
from tests.e2e.kubernetes import until
from tests.lab.kubernetes_cluster import Cluster, annotated, deployment
from tests.lab.plugin_host import Plugin, error_of, running

pytestmark = pytest.mark.nodes

NAMESPACE = "kubernetes:core/v1:Namespace"
SECRETS = "kubernetes:core/v1:Secret"
CONFIG = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
WIDGET = "kubernetes:objects.lab/v1:Widget"


@pytest.fixture(scope="module")
def plugin(cluster: Cluster) -> Iterator[Plugin]:
    with running("kubernetes") as started:
        started.configure({"kubeconfig": secret(cluster.kubeconfig)})
        yield started


@pytest.fixture(scope="module")
def namespace(plugin: Plugin) -> Iterator[str]:
    state = plugin.make(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace"})
    name = str(state["metadata"]["name"])
    yield name
    plugin.delete(NAMESPACE, state, name)


def config_map(namespace: str, name: str, **data: str) -> Properties:
    own = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": data}


def failed(call: Any) -> Any:
    """What an engine keeps of a resource that is there but not in order."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    trailers = dict(raised.value.trailing_metadata())  # type: ignore[attr-defined]
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def test_an_object_without_a_name_gets_one_that_it_keeps(plugin: Plugin, namespace: str) -> None:
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace}}
    first = plugin.check(CONFIG, given, seed=b"of this update")
    assert plugin.check(CONFIG, given, seed=b"of this update") == first
    name = first["metadata"]["name"]
    assert name.startswith("it-")
    assert len(bytes.fromhex(name.removeprefix("it-"))) == 4
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert plugin.check(CONFIG, given, first, seed=b"of the next")["metadata"]["name"] == name


def test_an_object_goes_to_the_default_namespace_where_its_kind_has_any(plugin: Plugin) -> None:
    named = {"metadata": {"name": "x"}}
    placed = plugin.check(CONFIG, {"apiVersion": "v1", "kind": "ConfigMap", **named})
    assert placed["metadata"]["namespace"] == "default"
    free = plugin.check(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", **named})
    assert "namespace" not in free["metadata"]


def test_what_is_made_is_there_unchanged_after_it_and_gone_in_the_end(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    inputs = plugin.check(CONFIG, config_map(namespace, "course", colour="red"))
    id_, state = plugin.create(CONFIG, inputs)
    assert id_ == f"{namespace}/course"
    assert cluster.get("configmap", "course", "-n", namespace)["data"] == {"colour": "red"}
    assert plugin.diff(CONFIG, inputs, inputs, state).changes == 1  # none
    read = plugin.read(CONFIG, state, inputs)
    assert dict(read.inputs) == inputs
    plugin.delete(CONFIG, state, id_)
    assert cluster.get("configmap", "course", "-n", namespace) is None
    assert plugin.read(CONFIG, state, inputs).id == ""
    plugin.delete(CONFIG, state, id_)  # what is gone is gone


def test_a_field_that_is_left_out_goes_and_another_managers_field_stays(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    wide = deployment(namespace, "fields", replicas=2, minReadySeconds=1)
    inputs = plugin.check(DEPLOYMENT, wide)
    _, state = plugin.create(DEPLOYMENT, inputs)
    cluster.nodes.kubectl("label", "deployment", "fields", "-n", namespace, "other=manager")
    narrow = plugin.check(DEPLOYMENT, deployment(namespace, "fields", replicas=1))
    changes = plugin.diff(DEPLOYMENT, inputs, narrow, state)
    assert sorted(changes.detailedDiff) == ["spec.minReadySeconds", "spec.replicas"]
    assert not changes.replaces
    changed = plugin.update(DEPLOYMENT, state, narrow)
    assert changed["spec"]["replicas"] == changed["status"]["readyReplicas"] == 1
    assert "minReadySeconds" not in changed["spec"]
    assert changed["metadata"]["labels"] == {"other": "manager"}
    assert plugin.diff(DEPLOYMENT, narrow, narrow, changed).changes == 1
    plugin.delete(DEPLOYMENT, changed, f"{namespace}/fields")
    assert cluster.names("pods,replicasets", "-n", namespace, "-l", "app=fields") == set()


def test_a_field_that_another_manager_has_taken_is_a_conflict_unless_forced(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    inputs = plugin.check(CONFIG, config_map(namespace, "taken", colour="red"))
    _, state = plugin.create(CONFIG, inputs)
    patch = json.dumps({"data": {"colour": "green"}})
    cluster.nodes.kubectl("patch", "configmap", "taken", "-n", namespace, "-p", patch)
    blue = config_map(namespace, "taken", colour="blue")
    text = error_of(lambda: plugin.update(CONFIG, state, plugin.check(CONFIG, blue)))
    assert 'conflict with "kubectl-patch"' in text
    forced = plugin.check(CONFIG, annotated(blue, patchForce="true"))
    assert plugin.update(CONFIG, state, forced)["data"] == {"colour": "blue"}


@pytest.mark.parametrize(
    ("type_", "wrong", "words"),
    [
        (DEPLOYMENT, {"replicass": 3}, ".spec.replicass: field not declared in schema"),
        (DEPLOYMENT, {"replicas": "three"}, "expected numeric (int or float), got string"),
        (DEPLOYMENT, {"replicas": -1}, "spec.replicas: Invalid value: -1"),
    ],
)
def test_what_the_server_does_not_take_is_refused_in_its_words_and_in_previews(
    plugin: Plugin, cluster: Cluster, namespace: str, type_: str, wrong: Any, words: str
) -> None:
    inputs = plugin.check(type_, deployment(namespace, "wrong", **wrong))
    assert words in error_of(lambda: plugin.create(type_, inputs, preview=True))
    assert words in error_of(lambda: plugin.create(type_, inputs))
    assert cluster.get("deployment", "wrong", "-n", namespace) is None


def test_what_is_there_already_is_refused_unless_the_provider_takes_it_over(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    cluster.nodes.kubectl("create", "configmap", "foreign", "-n", namespace)
    inputs = plugin.check(CONFIG, config_map(namespace, "foreign", colour="red"))
    assert "it is there already" in error_of(lambda: plugin.create(CONFIG, inputs))
    with running("kubernetes") as taking:
        settings = {"kubeconfig": cluster.kubeconfig, "upsertExistingObjects": "true"}
        taking.configure(settings)
        assert taking.create(CONFIG, inputs)[1]["data"] == {"colour": "red"}


def test_a_secrets_data_are_secret_in_the_state_and_new_data_mean_a_new_secret(
    plugin: Plugin, namespace: str
) -> None:
    own = {"namespace": namespace, "name": "login"}
    given = {"apiVersion": "v1", "kind": "Secret", "metadata": own}
    inputs = plugin.check(SECRETS, {**given, "stringData": {"password": "first one"}})
    _, state = plugin.create(SECRETS, inputs)
    assert is_secret(inputs["stringData"])
    encoded = base64.b64encode(b"first one").decode()
    assert state["data"] == secret({"password": encoded})
    assert plugin.diff(SECRETS, inputs, inputs, state).changes == 1
    other = plugin.check(SECRETS, {**given, "stringData": {"password": "second"}})
    changes = plugin.diff(SECRETS, inputs, other, state)
    assert list(changes.replaces) == ["data.password"]
    assert changes.deleteBeforeReplace  # it keeps its name
    plugin.delete(SECRETS, state, f"{namespace}/login")


def test_secret_values_elsewhere_stay_secret_and_out_of_errors(
    plugin: Plugin, namespace: str
) -> None:
    given = config_map(namespace, "hidden", token="")
    given["data"]["token"] = secret("hush hush")
    inputs = plugin.check(CONFIG, given)
    _, state = plugin.create(CONFIG, inputs)
    assert state["data"]["token"] == secret("hush hush")
    assert _clear(state).count("hush") == 0
    plugin.delete(CONFIG, state, f"{namespace}/hidden")
    wrong = plugin.check(DEPLOYMENT, deployment(namespace, "hush", replicas=secret("hush hush")))
    text = error_of(lambda: plugin.create(DEPLOYMENT, wrong))
    assert "not successfully created" in text
    assert "hush hush" not in text


def waiting(cluster: Cluster, namespace: str) -> str:
    """Why containers of a namespace's pods are not started, as the node says it."""
    path = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}"
    return cluster.nodes.kubectl("get", "pods", "-n", namespace, "-o", path)


def test_a_deployment_is_waited_for_and_what_is_missing_is_told(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    never = deployment(namespace, "never")
    never["spec"]["template"]["spec"]["containers"][0] |= {
        "image": "docker.io/lab/not-there:1",
        "imagePullPolicy": "Never",
    }
    inputs = plugin.check(DEPLOYMENT, annotated(never, timeoutSeconds="3"))
    started = time.monotonic()
    kept = failed(lambda: plugin.create(DEPLOYMENT, inputs))
    assert time.monotonic() - started >= 3
    assert kept.id == f"{namespace}/never"
    assert "timed out after 3 s waiting to be Ready" in kept.reasons[0]
    assert kept.properties["metadata"]["name"] == "never"

    # The engine goes on from what it was told. By now the node may have tried, or not yet.
    until(30, "the node has tried", lambda: "ErrImageNeverPull" in waiting(cluster, namespace))
    state = {**_properties(kept.properties)}
    kept = failed(lambda: plugin.update(DEPLOYMENT, state, inputs))
    assert any("ErrImageNeverPull" in reason for reason in kept.reasons)

    # A mended image makes it ready.
    mended = plugin.check(DEPLOYMENT, deployment(namespace, "never"))
    state = {**_properties(kept.properties)}
    ready = plugin.update(DEPLOYMENT, state, mended)
    assert ready["status"]["readyReplicas"] == 1
    plugin.delete(DEPLOYMENT, ready, kept.id)  # not within the 3 s that it was made with


def test_skip_await_waits_for_nothing(plugin: Plugin, namespace: str) -> None:
    hanging = deployment(namespace, "hanging", replicas=1)
    hanging["spec"]["template"]["spec"]["nodeSelector"] = {"no": "node"}
    inputs = plugin.check(DEPLOYMENT, annotated(hanging, skipAwait="true"))
    id_, state = plugin.create(DEPLOYMENT, inputs)
    assert "readyReplicas" not in state.get("status", {})
    read = plugin.read(DEPLOYMENT, state, inputs)
    assert read.id
    plugin.delete(DEPLOYMENT, state, id_)


def test_a_job_that_failed_is_told_at_once(plugin: Plugin, namespace: str) -> None:
    container = {
        "name": "fails",
        "image": "docker.io/lab/http-echo:1",
        "imagePullPolicy": "IfNotPresent",
        "args": ["get", "http://127.0.0.1:1/"],
    }
    spec = {"containers": [container], "restartPolicy": "Never"}
    own = {"namespace": namespace, "name": "fails"}
    given = {"apiVersion": "batch/v1", "kind": "Job", "metadata": own}
    inputs = plugin.check(JOB, {**given, "spec": {"backoffLimit": 0, "template": {"spec": spec}}})
    kept = failed(lambda: plugin.create(JOB, inputs))
    assert any("BackoffLimitExceeded" in reason for reason in kept.reasons)
    plugin.delete(JOB, _properties(kept.properties), kept.id)


@pytest.mark.parametrize(
    ("kind", "spec", "told"),
    [
        ("StatefulSet", {"serviceName": "sets", "replicas": 2}, ("readyReplicas", 2)),
        ("DaemonSet", {}, ("numberAvailable", 1)),
    ],
)
def test_sets_are_waited_for_until_all_their_pods_run(
    plugin: Plugin, cluster: Cluster, namespace: str, kind: str, spec: Any, told: tuple[str, int]
) -> None:
    type_, name = f"kubernetes:apps/v1:{kind}", kind.lower()
    given = {**deployment(namespace, name, **spec), "kind": kind}
    inputs = plugin.check(type_, given)
    id_, state = plugin.create(type_, inputs)
    assert state["status"][told[0]] == told[1]
    labelled = {**given, "spec": {**given["spec"], "minReadySeconds": 1}}
    changed = plugin.update(type_, state, plugin.check(type_, labelled, inputs))
    assert changed["status"][told[0]] == told[1]
    plugin.delete(type_, changed, id_)
    assert cluster.names("pods", "-n", namespace, "-l", f"app={name}") == set()


def test_a_webhook_that_does_not_answer_fails_at_once(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    """A provider that tried again would hide how long a program itself waits for its webhooks."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["configmaps"],
    }
    hook = {
        "name": "away.objects.lab",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [rule],
    }
    type_ = "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration"
    given = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "away"},
        "webhooks": [hook],
    }
    _, state = plugin.create(type_, plugin.check(type_, given))
    inputs = plugin.check(CONFIG, config_map(namespace, "watched"))
    words = 'failed calling webhook "away.objects.lab"'

    def asked() -> bool:
        """The server takes a moment to heed a new configuration."""
        try:
            plugin.create(CONFIG, inputs, preview=True)
        except grpc.RpcError as error:
            return words in str(error)
        return False

    until(20, "the webhook is asked", asked)
    plugin.engine.forget()
    assert words in error_of(lambda: plugin.create(CONFIG, inputs))
    assert [line for line in plugin.engine.status_lines() if "Retry" in line] == []
    plugin.delete(type_, state, "away")
    assert cluster.get("configmap", "watched", "-n", namespace) is None


def widgets(**status: Any) -> Properties:
    """A CRD of the kind Widget."""
    properties = {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
        "status": {"type": "object", "x_kubernetes_preserve_unknown_fields": True},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        **status,
    }
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.objects.lab"},
        "spec": {
            "group": "objects.lab",
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def widget(namespace: str, **spec: Any) -> Properties:
    own = {"namespace": namespace, "name": "one"}
    return {"apiVersion": "objects.lab/v1", "kind": "Widget", "metadata": own, "spec": spec}


def test_a_custom_resource_waits_for_its_kind_and_goes_with_it(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    inputs = plugin.check(WIDGET, widget(namespace, size=3))
    assert plugin.create(WIDGET, inputs, preview=True)[1] == inputs  # nobody knows it yet
    under_way = plugin.start_create(WIDGET, inputs)
    plugin.engine.wait_for("Retry #0; creation failed: no matches for kind")
    crd = plugin.check(CRD, widgets())
    _, crd_state = plugin.create(CRD, crd)
    made = under_way.result()
    assert cluster.get("widget", "one", "-n", namespace)["spec"] == {"size": 3}
    assert plugin.diff(CRD, crd, crd, crd_state).changes == 1
    wrong = plugin.check(WIDGET, widget(namespace, size=3, colour="red"))
    text = error_of(lambda: plugin.update(WIDGET, _properties(made.properties), wrong))
    assert ".spec.colour: field not declared in schema" in text
    plugin.delete(CRD, crd_state, "widgets.objects.lab")
    assert cluster.get("crd", "widgets.objects.lab") is None
    state = _properties(made.properties)
    assert plugin.read(WIDGET, state, inputs).id == ""
    plugin.delete(WIDGET, state, made.id)


def test_a_program_may_name_the_condition_that_it_waits_for(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    crd = plugin.check(CRD, annotated(widgets(), waitFor="condition=Established"))
    _, crd_state = plugin.create(CRD, crd)
    known = {c["type"]: c["status"] for c in crd_state["status"]["conditions"]}
    assert known["Established"] == "True"
    given = annotated(
        widget(namespace),
        waitFor="jsonpath={.status.phase}=Good",
        timeoutSeconds="2",
        # In the foreground a garbage collector takes part that looks for new kinds every 30 s.
        deletionPropagationPolicy="background",
    )
    inputs = plugin.check(WIDGET, given)
    kept = failed(lambda: plugin.create(WIDGET, inputs))
    assert any("nothing is there" in reason for reason in kept.reasons)
    patch = json.dumps({"status": {"phase": "Good"}})
    cluster.nodes.kubectl("patch", "widget", "one", "-n", namespace, "--type=merge", "-p", patch)
    state = plugin.update(WIDGET, _properties(kept.properties), inputs)
    assert state["status"] == {"phase": "Good"}
    plugin.delete(WIDGET, state, f"{namespace}/one")
    plugin.delete(CRD, crd_state, "widgets.objects.lab")


def test_a_deletion_that_a_finalizer_keeps_is_given_up_with_the_reason(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    given = annotated(config_map(namespace, "kept"), timeoutSeconds="2")
    given["metadata"]["finalizers"] = ["lab/never"]
    inputs = plugin.check(CONFIG, given)
    id_, state = plugin.create(CONFIG, inputs)
    text = error_of(lambda: plugin.delete(CONFIG, state, id_))
    assert f"{id_} is not gone within 2 s: finalizers lab/never" in text
    patch = json.dumps({"metadata": {"finalizers": None}})
    cluster.nodes.kubectl("patch", "configmap", "kept", "-n", namespace, "-p", patch)
    plugin.delete(CONFIG, state, id_)


def test_a_refresh_sees_what_others_changed_and_an_update_puts_it_right(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    inputs = plugin.check(CONFIG, config_map(namespace, "drift", colour="red", size="1"))
    id_, state = plugin.create(CONFIG, inputs)
    patch = json.dumps({"data": {"colour": "green", "size": None, "new": "x"}})
    cluster.nodes.kubectl("patch", "configmap", "drift", "-n", namespace, "-p", patch)
    read = plugin.read(CONFIG, state, inputs)
    seen = _properties(read.properties)
    assert _properties(read.inputs)["data"] == {"colour": "green"}
    changes = plugin.diff(CONFIG, _properties(read.inputs), inputs, seen)
    assert sorted(changes.detailedDiff) == ["data.colour", "data.size"]
    ignoring = plugin.diff(CONFIG, inputs, inputs, seen, ignored=["data.colour"])
    assert sorted(ignoring.detailedDiff) == ["data.size"]
    plugin.delete(CONFIG, seen, id_)


def test_a_preview_knows_what_the_server_fills_in_and_changes_nothing(
    plugin: Plugin, cluster: Cluster, namespace: str
) -> None:
    inputs = plugin.check(DEPLOYMENT, deployment(namespace, "dry"))
    _, state = plugin.create(DEPLOYMENT, inputs, preview=True)
    assert state["spec"]["strategy"]["type"] == "RollingUpdate"
    assert cluster.get("deployment", "dry", "-n", namespace) is None
    unknown = deployment(namespace, "dry", replicas=UNKNOWN)
    assert plugin.create(DEPLOYMENT, unknown, preview=True)[1] == unknown


def test_a_server_that_the_kubeconfig_does_not_vouch_for_is_not_spoken_to(
    cluster: Cluster, namespace: str
) -> None:
    document = yaml.safe_load(cluster.kubeconfig)
    del document["clusters"][0]["cluster"]["certificate-authority-data"]
    with running("kubernetes") as other:
        other.configure({"kubeconfig": yaml.safe_dump(document)})
        text = error_of(lambda: other.create(CONFIG, config_map(namespace, "never")))
    assert "configured Kubernetes cluster is unreachable" in text
    assert "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text


def test_lists_patches_lookups_and_pulumis_components_are_refused_by_name(plugin: Plugin) -> None:
    for type_ in (
        "kubernetes:core/v1:ConfigMapList",
        "kubernetes:core/v1:NamespacePatch",
        "kubernetes:helm.sh/v4:Chart",
    ):
        text = error_of(lambda type_=type_: plugin.check(type_, {}))  # type: ignore[misc]
        assert f"{type_}: the lab's kubernetes plugin has no such resource type" in text
    assert "cannot be looked up or imported" in error_of(lambda: plugin.read(CONFIG, {}, {}))


def _properties(struct: Any) -> Properties:
    return from_struct(struct)


def _clear(value: Any) -> str:
    """What of a value is not marked as secret, as JSON."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return ""
        return "".join(f"{key}{_clear(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(map(_clear, value))
    return json.dumps(reveal(value))
