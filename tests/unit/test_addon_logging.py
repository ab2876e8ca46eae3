"""Logs of all pods: what is put into the cluster for which settings, and what is refused."""

from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from components.addons.logging import LoggingSettings
from components.addons.logging_collector import collector_values
from components.addons.logging_values import URL, loki_values, policies
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw

STORED = {"storage": {"storageClass": "local-path", "size": 20}, "retention": "4w"}
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run_dev({"addons": {"logging": STORED, "prometheus": {}}})


@pytest.fixture(scope="module")
def alone() -> Recording:
    return run_dev({"addons": {"logging": {}}})


def settings(**written: object) -> LoggingSettings:
    return LoggingSettings.model_validate(written)


def config(**written: object) -> dict[str, Any]:
    """The collector's own configuration."""
    found: dict[str, Any] = collector_values(settings(**written))["alternateConfig"]
    return found


def lines(logging: dict[str, object], **addons: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", {"addons": {"logging": logging, **addons}}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def is_read(path: str, **written: object) -> bool:
    files = config(**written)["receivers"]["file_log"]
    return any(fnmatch(path, p) for p in files["include"]) and not any(
        fnmatch(path, p) for p in files["exclude"]
    )


@pytest.mark.parametrize(
    ("name", "chart", "version", "repository"),
    [
        ("loki", "loki", "18.11.0", "https://grafana-community.github.io/helm-charts"),
        (
            "collector",
            "opentelemetry-collector",
            "0.170.0",
            "https://open-telemetry.github.io/opentelemetry-helm-charts",
        ),
    ],
)
def test_both_charts_are_pinned(
    dev: Recording, name: str, chart: str, version: str, repository: str
) -> None:
    inputs = dev.resources[f"dev-{name}"].inputs
    assert (inputs["chart"], inputs["version"]) == (chart, version)
    assert inputs["repositoryOpts"] == {"repo": repository}


def test_the_namespace_is_closed_before_anything_runs_in_it(dev: Recording) -> None:
    closed = {"dev-logging-default-deny", "dev-logging-collector-to-loki"}
    for name in ("dev-loki", "dev-collector"):
        assert closed <= dev.resources[name].dependencies
    # None of the two waits for the other: the collector tries again by itself.
    assert "dev-loki" not in dev.resources["dev-collector"].dependencies


def test_the_collector_and_grafana_speak_with_loki_and_nobody_else_with_anything() -> None:
    made = {name: body["spec"] for name, body in policies(grafana=True).items()}
    assert made.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress"]}
    for spec in made.values():
        assert spec["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "loki"}}
        assert spec["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 3100}]
    assert {name: spec["ingress"][0]["from"] for name, spec in made.items()} == {
        # Without a namespace's selector: pods of this one.
        "collector-to-loki": [named("opentelemetry-collector")],
        "grafana-to-loki": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                **named("grafana"),
            }
        ],
    }


def named(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}


def test_grafanas_sidecar_finds_loki_in_whichever_order_they_come(dev: Recording) -> None:
    found = dev.resources["dev-loki-data-source"]
    assert found.inputs["metadata"]["labels"] == {"grafana_datasource": "1"}
    held = yaml.safe_load(found.inputs["data"]["loki.yaml"])
    assert [(d["type"], d["url"]) for d in held["datasources"]] == [("loki", URL)]
    # Grafana forgets it with the ConfigMap.
    assert held["prune"] is True
    sidecar = dev.resources["dev-prometheus"].inputs["values"]["grafana"]["sidecar"]["datasources"]
    assert sidecar["searchNamespace"] == "ALL"
    assert not {"dev-prometheus", "dev-loki"} & found.dependencies
    assert "dev-loki" not in dev.resources["dev-prometheus"].dependencies
    assert "dev-prometheus" not in dev.resources["dev-loki"].dependencies


def test_without_grafana_there_is_no_data_source_and_nobody_reads(
    dev: Recording, alone: Recording
) -> None:
    for name in ("dev-loki-data-source", "dev-logging-grafana-to-loki"):
        assert name in dev.resources
        assert name not in alone.resources


def test_logs_are_kept_on_a_volume_of_the_class_and_size(dev: Recording) -> None:
    (claim,) = dev.of_type(CLAIM)
    assert claim.inputs["metadata"]["name"] == "loki-local-path"
    assert claim.inputs["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "local-path",
        "resources": {"requests": {"storage": "20Gi"}},
    }
    loki = dev.resources["dev-loki"]
    assert claim.name in loki.dependencies
    held = loki.inputs["values"]["singleBinary"]["persistence"]["dataVolumeParameters"]
    assert held == {"persistentVolumeClaim": {"claimName": "loki-local-path"}}


def test_another_class_is_another_volume_and_a_new_size_the_same_one() -> None:
    def name(**storage: object) -> str:
        told = loki_values(settings(storage=storage))["singleBinary"]["persistence"]
        return str(told["dataVolumeParameters"]["persistentVolumeClaim"]["claimName"])

    assert name(storageClass="fast") == name(storageClass="fast", size=50) == "loki-fast"
    assert name() == "loki"


def test_without_storage_no_volume_is_asked_for(alone: Recording) -> None:
    assert alone.of_type(CLAIM) == []
    persistence = alone.resources["dev-loki"].inputs["values"]["singleBinary"]["persistence"]
    assert persistence == {"enabled": False}


def test_the_clusters_default_class_is_not_named() -> None:
    recording = run_dev({"addons": {"logging": {"storage": {}}}})
    (claim,) = recording.of_type(CLAIM)
    assert "storageClassName" not in claim.inputs["spec"]


def test_logs_are_deleted_once_they_are_old_enough() -> None:
    loki = loki_values(settings(retention="4w"))["loki"]
    assert loki["limits_config"]["retention_period"] == "4w"
    assert loki["compactor"]["retention_enabled"] is True
    assert loki["compactor"]["delete_request_store"] == loki["storage"]["type"] == "filesystem"


def test_one_loki_runs_and_none_of_what_would_ask_for_gigabytes_beside_it() -> None:
    values = loki_values(settings())
    assert (values["deploymentMode"], values["singleBinary"]["replicas"]) == ("Monolithic", 1)
    for part in ("chunksCache", "resultsCache", "gateway", "lokiCanary"):
        assert values[part] == {"enabled": False}


def test_neither_of_them_has_a_way_to_the_api() -> None:
    assert loki_values(settings())["defaults"]["automountServiceAccountToken"] is False
    collector = collector_values(settings())
    assert collector["serviceAccount"]["automountServiceAccountToken"] is False


def test_the_collector_is_on_every_node_whatever_its_taints() -> None:
    values = collector_values(settings())
    assert values["mode"] == "daemonset"
    assert values["tolerations"] == [{"operator": "Exists"}]


def test_the_collector_is_root_without_any_of_roots_capabilities() -> None:
    values = collector_values(settings())
    held = values["securityContext"]
    assert held["runAsUser"] == 0
    assert held["capabilities"] == {"drop": ["ALL"]}
    assert held["readOnlyRootFilesystem"]
    assert not held["allowPrivilegeEscalation"]
    assert "privileged" not in held
    mounts = {m["mountPath"]: m.get("readOnly", False) for m in values["extraVolumeMounts"]}
    assert mounts == {"/var/log/pods": True, "/var/lib/otelcol-logging": False}


def test_no_port_is_opened_on_the_nodes() -> None:
    ports = collector_values(settings())["ports"]
    assert len(ports) == 6
    assert all(port == {"enabled": False} for port in ports.values())


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/var/log/pods/shop_web-7_0c9f/web/0.log", True),
        ("/var/log/pods/shop-eu_web-7_0c9f/web/0.log", True),
        ("/var/log/pods/kube-system_traefik-5_1a2b/traefik/3.log", False),
        # What it says of lines that it cannot send.
        ("/var/log/pods/logging_collector-agent-x7_9f/opentelemetry-collector/0.log", False),
        ("/var/log/pods/logging_loki-0_77/loki/0.log", True),
    ],
)
def test_which_files_are_read(path: str, read: bool) -> None:
    assert is_read(path, excludeNamespaces=["kube-system"]) is read


def test_nothing_is_lost_when_loki_is_away_or_the_collector_starts_anew() -> None:
    found = config()
    files, loki = found["receivers"]["file_log"], found["exporters"]["otlp_http"]
    assert files["start_at"] == "beginning"
    assert files["storage"] == loki["sending_queue"]["storage"] == "file_storage"
    assert loki["sending_queue"]["block_on_overflow"] is True
    assert loki["sending_queue"]["num_consumers"] == 1
    for part in (files, loki):
        assert part["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert loki["endpoint"] == f"{URL}/otlp"


def test_values_of_ones_own_are_merged_last_for_each_chart() -> None:
    written = {
        "values": {"singleBinary": {"resources": {"limits": {"memory": "4Gi"}}}},
        "collectorValues": {"resources": {"limits": {"memory": "512Mi"}}},
    }
    recording = run_dev({"addons": {"logging": written}})
    loki = recording.resources["dev-loki"].inputs["values"]["singleBinary"]["resources"]
    assert loki == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "4Gi"}}
    collector = recording.resources["dev-collector"].inputs["values"]["resources"]
    assert collector["limits"] == {"memory": "512Mi"}
    assert "singleBinary" not in recording.resources["dev-collector"].inputs["values"]


def test_a_volume_waits_for_what_brings_its_class() -> None:
    rook = {"mons": 1, "replicas": 1, "loopDevices": {"dev-agent-1": ["/dev/loop8"]}}
    recording = run_dev({"addons": {"logging": {"storage": {}}, "rook": rook}})
    assert "dev-ceph" in recording.resources["dev-loki-claim"].dependencies


@pytest.mark.parametrize("retention", ["ten days", "", "0d", "36h", "d", "-1d", "1d1w"])
def test_a_retention_that_is_not_whole_days_is_told(retention: str) -> None:
    assert lines({"retention": retention}) == [
        f"addons.logging.retention: {retention} — not whole days or weeks, such as 14d or 4w — "
        "write how long logs are kept, such as 14d or 4w"
    ]


@pytest.mark.parametrize("retention", ["1d", "14d", "4w", "1w3d"])
def test_days_and_weeks_are_taken(retention: str) -> None:
    assert settings(retention=retention).retention == retention


@pytest.mark.parametrize(
    ("logging", "start"),
    [
        (
            {"excludeNamespaces": ["kube-*"]},
            "addons.logging.excludeNamespaces: kube-* — not a namespace's name — write names",
        ),
        ({"storage": {"size": 0}}, "addons.logging.storage.size: 0 — "),
        ({"loki": {}}, "addons.logging.loki: "),
    ],
)
def test_what_cannot_work_is_told(logging: dict[str, object], start: str) -> None:
    found = lines(logging)
    assert any(line.startswith(start) for line in found), found


@pytest.mark.parametrize(
    ("storage", "start"),
    [
        ({"storageClass": "local-path"}, "local-path — k3s's local-path is off"),
        ({}, "nothing — k3s's local-path is off, and no add-on brings a storage class"),
    ],
)
def test_storage_that_is_not_there_is_told(storage: dict[str, object], start: str) -> None:
    found = lines({"storage": storage}, localPath=False)
    assert any(f"addons.logging.storage.storageClass: {start}" in line for line in found), found
