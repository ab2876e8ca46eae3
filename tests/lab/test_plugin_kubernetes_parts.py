"""What the kubernetes plugin decides without a cluster: settings, differences, conditions."""

import asyncio
import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime.proto import provider_pb2

from lab.engine.values import UNKNOWN, Properties, secret, to_struct
from lab.plugins.kubernetes import checkpoint, compare, readiness, release_inputs, settings
from lab.plugins.kubernetes.kubeconfig import Access, KubeconfigError, access, load
from lab.plugins.kubernetes.managed import scrubbed
from lab.plugins.kubernetes.wait_for import WaitForError, parse
from tests.lab.plugin_host import Plugin, error_of, running

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
NOWHERE = "https://127.0.0.1:1"


def kubeconfig(server: str = NOWHERE, **changes: Any) -> str:
    """A kubeconfig with a token; `changes` go to the user."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [
                {"name": "it", "context": {"cluster": "c", "user": "u", "namespace": "apps"}},
                {"name": "other", "context": {"cluster": "d", "user": "u"}},
            ],
            "clusters": [
                {"name": "c", "cluster": {"server": server}},
                {"name": "d", "cluster": {"server": "https://other:6443"}},
            ],
            "users": [{"name": "u", "user": {"token": "t0ken", **changes}}],
        }
    )


@pytest.fixture(scope="module")
def away() -> Iterator[Plugin]:
    """The plugin with a cluster that does not answer."""
    with running("kubernetes") as plugin:
        plugin.configure({"kubeconfig": kubeconfig()})
        yield plugin


# Kubeconfigs


def test_a_kubeconfig_is_given_as_text_or_as_a_path(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(kubeconfig())
    for given in (kubeconfig(), str(file)):
        found = access(load(given), None, None, None)
        assert (found.server, found.namespace, found.token) == (NOWHERE, "apps", "t0ken")


def test_context_cluster_and_namespace_can_be_chosen() -> None:
    document = load(kubeconfig())
    other = access(document, "other", None, None)
    assert (other.server, other.namespace) == ("https://other:6443", "default")
    assert access(document, None, "d", "mine").namespace == "mine"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("just words", "neither a kubeconfig nor the path of one"),
        (kubeconfig(exec={"command": "aws"}), "exec, which the lab's plugin does not know"),
        (kubeconfig(**{"client-key-data": "§"}), "client-key-data is not base64"),
        (kubeconfig(tokenFile="/not/there", token=None), "/not/there cannot be read"),
        (kubeconfig().replace("current-context: it", "current-context: gone"), "no context 'gone'"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused_without_showing_it(
    given: str, words: str
) -> None:
    with pytest.raises(KubeconfigError, match=words) as raised:
        access(load(given), None, None, None)
    assert "t0ken" not in str(raised.value)


def test_helms_kubeconfig_has_all_within_and_nothing_in_other_files() -> None:
    given = Access("https://s", "ns", b"CA", certificate=b"CERT", key=b"KEY", server_name="n")
    document = load(given.as_kubeconfig())
    assert access(document, None, None, None) == given
    assert "client-certificate:" not in yaml.safe_dump(document)


# Settings of the provider


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({}, "kubeconfig", "uses no cluster by chance"),
        ({"kubeconfig": "just words"}, "kubeconfig", "write a kubeconfig, or the path of one"),
        ({"renderYamlToDirectory": "x"}, "renderYamlToDirectory", "no such setting"),
        ({"enableServerSideApply": "false"}, "enableServerSideApply", "leave it out"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: Properties, name: str, words: str) -> None:
    found = dict(settings.problems({"kubeconfig": kubeconfig(), **given} if given else given))
    assert words in found[name]


def test_known_settings_and_an_unknown_kubeconfig_are_taken() -> None:
    given = {"kubeconfig": UNKNOWN, "clusterIdentifier": "dev", "enableSecretMutable": "true"}
    assert settings.problems(given) == []
    made = settings.settings(given)
    assert made.access is None
    assert "not known yet" in made.why
    assert made["enableSecretMutable"]
    assert not made["deleteUnreachable"]


def test_a_switch_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    assert settings.settings({"kubeconfig": kubeconfig()})["deleteUnreachable"]
    off = {"kubeconfig": kubeconfig(), "deleteUnreachable": "false"}
    assert not settings.settings(off)["deleteUnreachable"]


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({}, {}, None),
        ({}, {"kubeconfig": kubeconfig(token="renewed")}, []),
        ({}, {"kubeconfig": kubeconfig("https://moved:6443")}, ["kubeconfig"]),
        ({}, {"context": "other"}, ["context"]),
        ({}, {"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        ({"clusterIdentifier": "a"}, {"clusterIdentifier": "b"}, ["clusterIdentifier"]),
        ({}, {"clusterIdentifier": "b"}, []),
        ({}, {"namespace": "other"}, []),
    ],
)
def test_another_cluster_means_that_all_is_made_anew(
    old: Properties, new: Properties, replaces: list[str] | None
) -> None:
    answer = settings.diff({"kubeconfig": kubeconfig(), **old}, {"kubeconfig": kubeconfig(), **new})
    if replaces is None:
        assert answer.changes == provider_pb2.DiffResponse.DIFF_NONE
    else:
        assert list(answer.replaces) == replaces
        assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME


@pytest.mark.parametrize("moved", [kubeconfig("https://moved:6443"), UNKNOWN])
def test_with_an_identifier_a_changed_kubeconfig_replaces_nothing(moved: str) -> None:
    both = {"clusterIdentifier": "dev"}
    answer = settings.diff({"kubeconfig": kubeconfig(), **both}, {"kubeconfig": moved, **both})
    assert list(answer.diffs) == ["kubeconfig"]
    assert not answer.replaces


def test_the_configuration_calls_of_the_protocol_say_the_same(away: Plugin) -> None:
    news = to_struct({"kubeconfg": "x", "version": "4.34.2"})
    failures = away.stub.CheckConfig(provider_pb2.CheckRequest(urn="urn", news=news)).failures
    assert sorted(failure.property for failure in failures) == ["kubeconfg", "kubeconfig"]
    request = provider_pb2.DiffRequest(
        olds=to_struct({"kubeconfig": kubeconfig()}),
        news=to_struct({"kubeconfig": kubeconfig("https://moved:6443")}),
    )
    assert list(away.stub.DiffConfig(request).replaces) == ["kubeconfig"]


# A cluster that does not answer


def config_map() -> Properties:
    own = {"name": "x", "namespace": "apps"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": {"a": "b"}}


def test_without_a_cluster_inputs_are_checked_and_previews_are_shown(away: Plugin) -> None:
    inputs = away.check(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "data": {}})
    assert inputs["metadata"]["namespace"] == "apps"
    assert away.create(CONFIG_MAP, inputs, preview=True)[1] == inputs


def test_a_name_is_kept_while_other_metadata_are_not_known_yet(away: Plugin) -> None:
    given = {"apiVersion": "v1", "kind": "ConfigMap"}
    first = away.check(CONFIG_MAP, given)
    for unknown in ({"labels": {"a": UNKNOWN}}, {"annotations": UNKNOWN}):
        again = away.check(CONFIG_MAP, {**given, "metadata": unknown}, first)
        assert again["metadata"]["name"] == first["metadata"]["name"]
    named = away.check(CONFIG_MAP, {**given, "metadata": {"name": UNKNOWN}}, first)
    assert named["metadata"]["name"] == UNKNOWN
    late = {**given, "metadata": UNKNOWN}
    assert away.check(CONFIG_MAP, late, first) == late


def test_without_a_cluster_nothing_is_made_or_taken_away(away: Plugin) -> None:
    state = {**config_map(), "__inputs": config_map(), "__fieldManager": "m"}
    for call in (
        lambda: away.create(CONFIG_MAP, config_map()),
        lambda: away.update(CONFIG_MAP, state, config_map()),
        lambda: away.delete(CONFIG_MAP, state),
        lambda: away.read(CONFIG_MAP, state, config_map()),
    ):
        text = error_of(call)
        assert "configured Kubernetes cluster is unreachable: https://127.0.0.1:1" in text
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in text


def test_what_went_with_its_cluster_can_be_forgotten() -> None:
    state = {**config_map(), "__inputs": config_map(), "__fieldManager": "m"}
    with running("kubernetes") as plugin:
        plugin.configure({"kubeconfig": kubeconfig(), "deleteUnreachable": "true"})
        plugin.delete(CONFIG_MAP, state)
        assert plugin.read(CONFIG_MAP, state, config_map()).id == ""


def test_a_release_is_never_forgotten_with_its_cluster(away: Plugin) -> None:
    state = {"name": "r", "namespace": "apps", "chart": "c"}
    text = error_of(lambda: away.delete("kubernetes:helm.sh/v3:Release", state))
    assert "can't delete Helm Release with unreachable cluster" in text


# Differences


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": False, "c": "", "d": {}, "e": None}}, []),
        ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": True}}, ["spec.b"]),
        ({"spec": {"limits": {"cpu": "1"}}}, {"spec": {"limits": {"cpu": "1000m"}}}, []),
        ({"spec": {"limits": {"cpu": "1"}}}, {"spec": {"limits": {"cpu": "1m"}}}, None),
        ({"spec": {"word": "1"}}, {"spec": {"word": "1000m"}}, ["spec.word"]),
        ({"data": {"limits": "1"}}, {"data": {"limits": "1000m"}}, ["data.limits"]),
        ({"spec": {"l": [{"a": 1}]}}, {"spec": {"l": [{"a": 2}]}}, ["spec.l[0].a"]),
        ({"spec": {"l": [1, 2]}}, {"spec": {"l": [1]}}, ["spec.l[1]"]),
        ({"spec": {"a": 0}}, {"spec": {"a": UNKNOWN}}, ["spec.a"]),
    ],
)
def test_what_the_server_writes_in_another_way_is_no_difference(
    old: Properties, new: Properties, paths: list[str] | None
) -> None:
    found = sorted(compare.differences(old, new))
    assert found == (["spec.limits.cpu"] if paths is None else paths)


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), (2, "2"), ("1E", "1E18")],
)
def test_quantities_are_numbers(text: Any, number: str) -> None:
    assert compare.quantity(text) == Decimal(number)


def test_words_are_no_quantities() -> None:
    assert [compare.quantity(word) for word in ("red", "", True, None, "1.2.3")] == [None] * 5


@pytest.mark.parametrize(
    ("kind", "path", "replaced"),
    [
        (("apps/v1", "Deployment"), "spec.selector.matchLabels.app", True),
        (("apps/v1", "Deployment"), "spec.template.spec.containers[0].image", False),
        (("apps/v1", "StatefulSet"), "spec.volumeClaimTemplates[0].spec", True),
        (("batch/v1", "Job"), "spec.template.spec.containers[0].image", True),
        (("v1", "ConfigMap"), 'data["a.b"]', True),
        (("v1", "Secret"), "type", True),
        (("v1", "Service"), "spec.clusterIP", True),
        (("v1", "Service"), "spec.clusterIPs", False),
        (("x.io/v1", "Any"), "metadata.name", True),
        (("x.io/v1", "Any"), "spec.anything", False),
    ],
)
def test_some_fields_mean_a_new_object(kind: tuple[str, str], path: str, replaced: bool) -> None:
    wanted = {"apiVersion": kind[0], "kind": kind[1]}
    fields = compare.replacing_fields(wanted, secret_mutable=False, config_mutable=False)
    update = provider_pb2.PropertyDiff.UPDATE
    answer = compare.response({path: update}, fields, [], same_name=True)
    assert bool(answer.replaces) == answer.deleteBeforeReplace == replaced


def test_data_change_in_place_where_the_provider_is_told_so() -> None:
    for kind in ("Secret", "ConfigMap"):
        wanted = {"apiVersion": "v1", "kind": kind}
        assert ".data" not in compare.replacing_fields(wanted, True, True)
        assert ".data" in compare.replacing_fields({**wanted, "immutable": True}, True, True)


def test_ignored_paths_keep_what_the_cluster_has() -> None:
    wanted = {"spec": {"replicas": 1, "size": 2}, "metadata": {"annotations": {"a.b/c": "x"}}}
    live = {"spec": {"replicas": 5, "size": 3}, "metadata": {"annotations": {"a.b/c": "y"}}}
    kept = compare.kept(wanted, live, ["spec.replicas", 'metadata.annotations["a.b/c"]'])
    assert kept == {**live, "spec": {"replicas": 5, "size": 2}}


# What the state keeps


def test_keys_of_schemas_are_spelt_as_each_side_has_them() -> None:
    given = {"spec": {"x_kubernetes_preserve_unknown_fields": True, "y": None}}
    found = checkpoint.to_object(given)
    assert found == {"spec": {"x-kubernetes-preserve-unknown-fields": True}}
    assert "x_kubernetes_preserve_unknown_fields" in checkpoint.state_of(found, given, "m")["spec"]


def test_marks_follow_the_inputs_and_a_list_is_marked_as_a_whole() -> None:
    live = {"spec": {"a": 1, "list": [{"x": 1}, {"y": 2}], "free": 3}}
    like = {"spec": {"a": secret(1), "list": [{"x": secret(1)}]}}
    marked = checkpoint.marked_like(live, like)["spec"]
    assert marked == {"a": secret(1), "list": secret([{"x": 1}, {"y": 2}]), "free": 3}


def test_secrets_are_taken_out_of_words_in_all_their_forms() -> None:
    value = {"a": secret('say "x"'), "plain": "open"}
    encoded = base64.b64encode(b'say "x"').decode()
    words = f'say "x" {json.dumps("say " + chr(34) + "x" + chr(34))} {encoded} open'
    assert scrubbed(words, value) == '[secret] "[secret]" [secret] open'


# Conditions


def ready(rule: Any, found: Any) -> list[str]:
    missing: list[str] = asyncio.run(rule(None, found))
    return missing


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("condition=Ready", True),
        ("condition=Ready=True", True),
        ("condition=Busy=False", True),
        ("condition=Busy", False),
        ("condition=Missing", False),
        ("jsonpath={.status.phase}=Good", True),
        ("jsonpath={.status.phase}", True),
        ("jsonpath=.status.list[1].n=2", True),
        ("jsonpath={.status.list[7]}", False),
        (r"jsonpath={.metadata.annotations.a\.b/c}=x", True),
        ('["condition=Ready", "jsonpath={.status.phase}=Bad"]', False),
    ],
)
def test_conditions_of_a_program_hold_or_not(expression: str, holds: bool) -> None:
    found = {
        "metadata": {"annotations": {"a.b/c": "x"}},
        "status": {
            "phase": "Good",
            "list": [{"n": 1}, {"n": 2}],
            "conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "Busy", "status": "False"},
            ],
        },
    }
    assert (ready(parse(expression), found) == []) == holds


@pytest.mark.parametrize("wrong", ["Ready", "jsonpath={.a[?(@.b)]}", "[]", "jsonpath={.a[*]}"])
def test_conditions_that_cannot_be_understood_are_refused(wrong: str) -> None:
    with pytest.raises(WaitForError):
        parse(wrong)


def service(**spec: Any) -> Properties:
    own = {"name": "s", "namespace": "n"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": own, "spec": spec}


class Slices:
    """An API that has these endpoint slices and nothing else."""

    def __init__(self, *ready: bool) -> None:
        endpoints = [{"conditions": {"ready": state}} for state in ready]
        self._items = [{"endpoints": endpoints}] if ready else []

    async def request(self, *_: str, **__: str) -> Properties:
        return {"items": self._items}


@pytest.mark.parametrize(
    ("found", "slices", "missing"),
    [
        (service(selector={"a": "b"}), Slices(), "endpoints are not made yet"),
        (service(selector={"a": "b"}), Slices(True, False), "1 of its 2 endpoints not ready"),
        (service(selector={"a": "b"}), Slices(True, True), ""),
        (service(selector={"a": "b"}, clusterIP="None"), Slices(), ""),
        (service(type="ExternalName", selector={"a": "b"}), Slices(), ""),
        (service(), Slices(), ""),
        (service(type="LoadBalancer"), Slices(), "no address of a load balancer"),
    ],
)
def test_a_service_is_ready_with_its_endpoints_and_its_address(
    found: Properties, slices: Slices, missing: str
) -> None:
    rule = readiness.rule_for(found)
    assert rule is not None
    words = asyncio.run(rule(slices, found))  # type: ignore[arg-type]
    assert missing in "".join(words)
    assert bool(words) == bool(missing)


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [
        ({"observedGeneration": 1}, False),
        ({"desiredNumberScheduled": 2, "observedGeneration": 1}, False),
        (
            {
                "observedGeneration": 1,
                "desiredNumberScheduled": 2,
                "currentNumberScheduled": 2,
                "updatedNumberScheduled": 2,
                "numberAvailable": 2,
            },
            True,
        ),
    ],
)
def test_a_daemon_set_is_ready_on_all_its_nodes(status: Properties, is_ready: bool) -> None:
    found = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"generation": 1},
        "spec": {},
        "status": status,
    }
    rule = readiness.rule_for(found)
    assert (ready(rule, found) == []) == is_ready


def test_kinds_without_a_rule_are_in_order_at_once() -> None:
    for kind in ("ConfigMap", "Namespace", "Secret"):
        assert readiness.rule_for({"apiVersion": "v1", "kind": kind}) is None


# Releases


def test_the_state_names_what_a_manifest_makes() -> None:
    manifest = yaml.safe_dump_all(
        [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b", "namespace": "n"}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
            None,
        ]
    )
    assert release_inputs.resource_names(manifest) == {
        "Deployment.apps/apps/v1": ["a"],
        "Service/v1": ["n/b"],
    }


def test_a_releases_state_says_what_the_program_does_not_as_the_official_plugins_does() -> None:
    """Else that plugin, when it goes on with the stack, upgrades each release once."""
    given = {"chart": "c", "name": "n", "atomic": True, "values": {"a": {"b": 1}}}
    inputs = release_inputs.complete(given, {}, "r", b"", "default")
    unsaid = (
        *("allowNullValues", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel"),
        *("disableCRDHooks", "disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint"),
        *("recreatePods", "renderSubchartNotes", "replace", "resetValues", "reuseValues"),
        *("skipAwait", "skipCrds", "takeOwnership", "verify", "waitForJobs"),
    )
    assert inputs == {
        **given,
        **{"namespace": "default", "timeout": 300},
        **dict.fromkeys(unsaid, False),
        **dict.fromkeys(("description", "keyring", "postrender"), ""),
    }
    old = {**given, "namespace": "default", "timeout": 300}
    assert compare.differences(old, inputs) == {}  # states from before that


def test_helm_is_told_what_the_inputs_say() -> None:
    inputs = {"atomic": True, "timeout": 60, "cleanupOnFail": True, "description": "d"}
    assert release_inputs.install_words({**inputs, "skipCrds": True, "waitForJobs": True}) == [
        *("--atomic", "--skip-crds", "--wait", "--wait-for-jobs"),
        *("--timeout", "60s", "--description", "d"),
    ]
    assert release_inputs.upgrade_words({**inputs, "skipAwait": True, "maxHistory": 3}) == [
        *("--atomic", "--cleanup-on-fail", "--timeout", "60s", "--description", "d"),
        *("--history-max", "3"),
    ]
    assert release_inputs.uninstall_words({"skipAwait": True}) == []
    assert release_inputs.uninstall_words({}) == ["--wait", "--timeout", "300s"]
