"""Prometheus: what is put into the cluster for which settings, whose secrets, what is refused."""

import json

import pytest
import yaml

from components.addons.prometheus import PrometheusSettings
from components.addons.prometheus_values import chart_values
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev
from tests.unit.recorder import Recording, Secret
from tests.unit.stackfiles import raw

SLACK = "https://hooks.slack.example/services/T0/B0/confidential"
TEAM = {"slack_configs": [{"channel": "#ops", "api_url": {"secret": "slack"}}]}
CLEAR = {"slack_configs": [{"channel": "#ops", "api_url": SLACK}]}
PROMETHEUS = {
    "storage": {"storageClass": "local-path", "prometheus": 50},
    "alertmanager": {"receivers": {"team": TEAM}},
}


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run_dev({"addons": {"prometheus": PROMETHEUS}, "secrets": {"slack": SLACK}})


def values(**written: object) -> dict[str, object]:
    return chart_values(PrometheusSettings.model_validate(written))


def lines(prometheus: dict[str, object], **addons: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", {"addons": {"prometheus": prometheus, **addons}}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_the_chart_is_pinned_and_waits_for_the_secrets_that_it_names(dev: Recording) -> None:
    release = dev.resources["dev-prometheus"]
    assert release.inputs["chart"] == "kube-prometheus-stack"
    assert release.inputs["version"] == "88.5.3"
    assert {"dev-grafana-admin", "dev-alertmanager-config"} <= release.dependencies
    names = {dev.resources[f"dev-{n}"].inputs["metadata"]["name"] for n in SECRETS_OF}
    found = release.inputs["values"]
    assert names == {
        found["grafana"]["admin"]["existingSecret"],
        found["alertmanager"]["alertmanagerSpec"]["configSecret"],
    }


SECRETS_OF = ("grafana-admin", "alertmanager-config")


def test_grafanas_password_is_made_by_the_stack_and_a_secret_everywhere(dev: Recording) -> None:
    made = "dev-grafana-password-made-by-the-stack"
    held = dev.resources["dev-grafana-admin"]
    assert held.marked["stringData"] == Secret(
        {"admin-user": "admin", "admin-password": made},
    )
    assert dev.outputs["grafanaPassword"] == made
    assert "grafanaPassword" in dev.secret_outputs
    assert made not in json.dumps(dev.resources["dev-prometheus"].inputs)


def test_without_the_add_on_there_is_no_such_output() -> None:
    assert "grafanaPassword" not in run_dev({"addons": {}}).outputs


def test_a_receivers_secret_comes_from_config_and_goes_into_a_secret_alone(dev: Recording) -> None:
    held = dev.resources["dev-alertmanager-config"].marked["stringData"]
    assert isinstance(held, Secret)
    config = yaml.safe_load(held.value["alertmanager.yaml"])
    team = next(receiver for receiver in config["receivers"] if receiver["name"] == "team")
    assert team["slack_configs"] == [{"channel": "#ops", "api_url": SLACK}]
    holders = [r.name for r in dev.registrations if SLACK in json.dumps(r.inputs)]
    assert holders == ["dev-alertmanager-config"]


def test_one_receiver_is_told_of_all_but_signs_of_life(dev: Recording) -> None:
    held = dev.resources["dev-alertmanager-config"].inputs["stringData"]
    route = yaml.safe_load(held["alertmanager.yaml"])["route"]
    assert route["receiver"] == "team"
    assert route["routes"] == [
        {"matchers": ['alertname =~ "Watchdog|InfoInhibitor"'], "receiver": "null"}
    ]


def test_routes_of_ones_own_come_after_the_silent_one() -> None:
    routes = [{"receiver": "night", "matchers": ["severity = critical"]}]
    written = {
        "receivers": {"team": TEAM, "night": TEAM},
        "route": {"receiver": "team", "routes": routes, "group_wait": "10s"},
    }
    recording = run_dev(
        {
            "addons": {"prometheus": {"alertmanager": written}},
            "secrets": {"slack": SLACK},
        }
    )
    held = recording.resources["dev-alertmanager-config"].inputs["stringData"]
    route = yaml.safe_load(held["alertmanager.yaml"])["route"]
    assert (route["receiver"], route["group_wait"]) == ("team", "10s")
    assert route["routes"][1:] == routes


@pytest.mark.parametrize(
    "part", ["kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd"]
)
def test_what_k3s_keeps_on_loopback_is_not_scraped(part: str) -> None:
    assert values()[part] == {"enabled": False}


def test_metrics_of_other_releases_are_found_too(dev: Recording) -> None:
    spec = dev.resources["dev-prometheus"].inputs["values"]["prometheus"]["prometheusSpec"]
    assert spec["serviceMonitorSelectorNilUsesHelmValues"] is False
    assert spec["ruleSelectorNilUsesHelmValues"] is False


def test_volumes_are_asked_for_of_the_class_and_metrics_leave_room_in_theirs(
    dev: Recording,
) -> None:
    found = dev.resources["dev-prometheus"].inputs["values"]
    spec = found["prometheus"]["prometheusSpec"]
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "local-path"
    assert claim["resources"] == {"requests": {"storage": "50Gi"}}
    assert spec["retentionSize"] == "40960MiB"
    assert found["grafana"]["persistence"]["size"] == "1Gi"
    assert found["grafana"]["deploymentStrategy"] == {"type": "Recreate"}


def test_without_storage_no_volume_is_asked_for() -> None:
    text = json.dumps(values())
    assert "volumeClaimTemplate" not in text
    assert "persistence" not in text
    assert "retentionSize" not in text


def test_the_clusters_default_class_is_not_named() -> None:
    assert "storageClassName" not in json.dumps(values(storage={}))


def test_dashboards_are_pinned_and_find_the_data_source() -> None:
    (dashboards,) = values()["grafana"]["dashboards"].values()
    assert {(d["gnetId"], d["revision"]) for d in dashboards.values()} == {(8588, 1), (6879, 1)}
    # Through a pipe: a dashboard that cannot be fetched must not keep Grafana from starting.
    assert all(d["datasource"][0]["value"] == "prometheus" for d in dashboards.values())
    assert "k" not in values()["grafana"]["defaultCurlOptions"]


def test_no_dashboards_means_that_nothing_is_fetched() -> None:
    assert not {"dashboards", "dashboardProviders"} & set(values(dashboards={})["grafana"])


def test_grafana_reads_no_secrets_of_the_cluster() -> None:
    found = values()
    (role,) = found["extraManifests"]
    assert [rule["resources"] for rule in role["rules"]] == [["configmaps"]]
    assert found["grafana"]["rbac"] == {"useExistingClusterRole": role["metadata"]["name"]}


def test_values_of_ones_own_are_merged_last() -> None:
    written = {"values": {"grafana": {"admin": {"userKey": "user"}}}}
    recording = run_dev({"addons": {"prometheus": written}})
    grafana = recording.resources["dev-prometheus"].inputs["values"]["grafana"]
    assert grafana["admin"]["userKey"] == "user"
    assert grafana["admin"]["passwordKey"] == "admin-password"


def test_nodes_let_their_exporters_be_read() -> None:
    settings = parse("dev", raw("dev", {"addons": {"prometheus": {}}}))
    assert "prometheus" in settings.firewall_facts("dev").profiles


def receivers(**written: object) -> dict[str, object]:
    return {"alertmanager": written}


WHERE = "addons.prometheus.alertmanager"


@pytest.mark.parametrize(
    ("prometheus", "start"),
    [
        ({"retention": "ten days"}, "addons.prometheus.retention: ten days — not a duration"),
        ({"retention": ""}, "addons.prometheus.retention:  — not a duration"),
        (
            {"dashboards": {"Workloads!": {"id": 8588, "revision": 1}}},
            "addons.prometheus.dashboards: Workloads! — a file is named after it",
        ),
        (
            {"dashboards": {"mine": {"id": 8588}}},
            "addons.prometheus.dashboards.mine.revision: nothing — it is needed",
        ),
        (
            receivers(receivers={"team": TEAM}),
            f"{WHERE}.receivers.team: {{secret: slack}} — config has no secret value of the name",
        ),
        (
            receivers(receivers={"team": CLEAR}),
            f"{WHERE}.receivers.team.slack_configs.api_url: a value in clear — who reads",
        ),
        (
            receivers(
                receivers={"mail": {"email_configs": [{"to": "ops@example.org"}]}},
                **{"global": {"smtp_auth_password": "hunter2"}},
            ),
            f"{WHERE}.global.smtp_auth_password: a value in clear — who reads",
        ),
        (
            receivers(receivers={"a": {}, "b": {}}),
            f"{WHERE}.route: receivers a, b — nothing says which of them is told of what",
        ),
        (
            receivers(receivers={"a": {}}, route={"routes": [{"receiver": "c"}]}),
            f"{WHERE}.route: c — there is no such receiver — write one of a, null",
        ),
        (receivers(route={"receiver": "team"}), f"{WHERE}.receivers: nothing — a route leads to"),
    ],
)
def test_what_cannot_work_is_told(prometheus: dict[str, object], start: str) -> None:
    found = lines(prometheus)
    assert any(line.startswith(start) for line in found), found


def test_a_secret_in_clear_is_not_told_on() -> None:
    assert SLACK not in "\n".join(lines(receivers(receivers={"team": CLEAR})))


@pytest.mark.parametrize(
    ("storage", "start"),
    [
        ({"storageClass": "local-path"}, "local-path — k3s's local-path is off"),
        ({}, "nothing — k3s's local-path is off, and no add-on brings a storage class"),
    ],
)
def test_storage_that_is_not_there_is_told(storage: dict[str, object], start: str) -> None:
    found = lines({"storage": storage}, localPath=False)
    assert any(f"addons.prometheus.storage.storageClass: {start}" in line for line in found), found
