"""The stand-ins for charts take the program's values, and refuse what the real charts lack."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from components.addons import cert_manager, cni_values, longhorn, metallb, prometheus, rook_values
from components.addons.charts import Chart
from components.addons.cni_settings import CniSettings
from components.addons.kinds import KINDS
from components.addons.logging import LoggingSettings
from components.addons.logging_collector import collector_values
from components.addons.logging_values import loki_values
from components.addons.longhorn_settings import LonghornSettings
from components.addons.prometheus_values import chart_values as prometheus_values
from components.addons.rook_settings import RookSettings
from components.addons.settings import Addons
from components.k3s.settings import K3sSettings
from lab.charts import build
from lab.helm.build import ensure as helm

METALLB = {"pools": {"main": {"addresses": ["10.0.0.0/28"]}}}
PEER = {"address": "10.0.0.1", "asn": 64500}
BGP = {**METALLB, "mode": "bgp", "bgp": {"asn": 64512, "peers": {"tor": PEER}}}
ACME = {"letsEncrypt": {"email": "ops@company.tld"}}
RECEIVER = {"slack_configs": [{"channel": "#ops", "api_url": {"secret": "slack"}}]}
STORED = {"storage": {"storageClass": "fast"}, "alertmanager": {"receivers": {"team": RECEIVER}}}


def metallb_values(written: Mapping[str, Any]) -> dict[str, Any]:
    return metallb.chart_values(metallb.MetallbSettings.model_validate(written))


def cert_manager_values(written: Mapping[str, Any]) -> dict[str, Any]:
    return cert_manager.chart_values(cert_manager.CertManagerSettings.model_validate(written))


def monitoring_values(written: Mapping[str, Any]) -> dict[str, Any]:
    return prometheus_values(prometheus.PrometheusSettings.model_validate(written))


ROOK = RookSettings.model_validate(
    {"filesystem": True, "objectStore": True, "nfs": True, "replicas": 1}
)
LOGGING = LoggingSettings.model_validate(
    {"storage": {"storageClass": "fast"}, "excludeNamespaces": ["noisy"]}
)
DISKS = {"node-1": ["/dev/sdb"], "node-2": ["/dev/sdb", "/dev/sdc"]}

NETWORK = {"encryption": "wireguard", "flows": True}
DUAL_STACK = K3sSettings.model_validate(
    {"version": "v1.35.6+k3s1", "clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"}
)
CALICO = CniSettings.model_validate({"plugin": "calico", **NETWORK})
CILIUM = CniSettings.model_validate({"plugin": "cilium", "kubeProxyReplacement": True, **NETWORK})

# Chart, and the program's values for it.
GIVEN = {
    "metallb, layer 2": ("metallb-0.16.1", metallb_values(METALLB)),
    "metallb, BGP": ("metallb-0.16.1", metallb_values(BGP)),
    "cert-manager": ("cert-manager-v1.21.1", cert_manager_values({})),
    "cert-manager, Let's Encrypt": ("cert-manager-v1.21.1", cert_manager_values(ACME)),
    "Prometheus": ("kube-prometheus-stack-88.5.3", monitoring_values({})),
    "Prometheus, all of it": ("kube-prometheus-stack-88.5.3", monitoring_values(STORED)),
    "Rook's operator": ("rook-ceph-v1.20.6", rook_values.operator_values(ROOK)),
    "Rook's cluster": ("rook-ceph-cluster-v1.20.6", rook_values.cluster_values(ROOK, DISKS)),
    "Longhorn": ("longhorn-1.12.1", longhorn.chart_values(LonghornSettings(groups=("agent",)))),
    "Calico": ("tigera-operator-v3.32.1", cni_values.calico_values(CALICO, DUAL_STACK, nodes=1)),
    "Cilium": ("cilium-1.20.0", cni_values.cilium_values(CILIUM, DUAL_STACK, nodes=3)),
    "Ceph's drivers": ("ceph-csi-drivers-1.0.4", rook_values.csi_values(ROOK)),
    "Loki": ("loki-18.11.0", loki_values(LOGGING)),
    "logs' collector": (
        "opentelemetry-collector-0.170.0",
        collector_values(LOGGING),
    ),
}


@pytest.fixture(scope="module")
def packed() -> Path:
    return build.ensure()


def template(
    file: Path, values: Mapping[str, Any], home: Path
) -> "subprocess.CompletedProcess[str]":
    """What the chart makes of the values."""
    given = home / "values.yaml"
    given.write_text(yaml.safe_dump(dict(values)))
    folders = {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(
        [str(helm()), "template", "it", str(file), "--namespace", "here", "--values", str(given)],
        env={**os.environ, **folders},
        capture_output=True,
        text=True,
        check=False,
    )


def objects(file: Path, values: Mapping[str, Any], home: Path) -> list[dict[str, Any]]:
    run = template(file, values, home)
    assert run.returncode == 0, run.stderr
    return [found for found in yaml.safe_load_all(run.stdout) if found]


def paths(values: Mapping[str, Any], *before: str) -> list[tuple[str, ...]]:
    """The objects within values that the program sets keys of, the values themselves first."""
    found: list[tuple[str, ...]] = [before]
    for key, value in values.items():
        if isinstance(value, Mapping) and key not in FREE:
            found += paths(value, *before, key)
    return found


# Keys of these are what a user writes, a Kubernetes object's, or the program's that runs there.
FREE = {
    *("storageSpec", "storage", "dashboardProviders", "dashboards", "cephClusterSpec"),
    *("dataVolumeParameters", "resources", "securityContext", "alternateConfig"),
    *("commonConfig", "schemaConfig", "limits_config", "compactor", "analytics", "ingester"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_the_programs_values_are_taken(packed: Path, tmp_path: Path, case: str) -> None:
    chart, values = GIVEN[case]
    assert objects(packed / f"{chart}.tgz", values, tmp_path)


@pytest.mark.parametrize(
    "case",
    [
        *("metallb, BGP", "cert-manager", "Prometheus, all of it"),
        *("Rook's operator", "Rook's cluster", "Ceph's drivers", "Loki", "logs' collector"),
    ],
)
def test_a_key_that_the_real_chart_lacks_is_refused_wherever_the_program_sets_one(
    packed: Path, tmp_path: Path, case: str
) -> None:
    chart, values = GIVEN[case]
    for path in paths(values):
        wrong: dict[str, Any] = {"misspelt": True}
        for key in reversed(path):
            wrong = {key: wrong}
        run = template(packed / f"{chart}.tgz", wrong, tmp_path)
        assert run.returncode != 0, f"{case}: {'.'.join(path)}.misspelt"
        assert "misspelt" in run.stderr


@pytest.mark.parametrize("key", ["metallb", "certManager", "prometheus", "rook", "logging"])
def test_the_versions_are_those_that_the_program_pins(packed: Path, key: str) -> None:
    (settings,) = [
        kind for kind in get_args(Addons.model_fields[FIELDS[key]].annotation) if kind is not None
    ][:1]
    for chart in KINDS[key].charts:
        pinned = settings.model_fields[chart.setting].default
        assert (packed / f"{chart.name}-{pinned}.tgz").is_file()


# The fields of the keys.
FIELDS = {field.alias or name: name for name, field in Addons.model_fields.items()}


@pytest.mark.parametrize("chart", KINDS["cni"].charts, ids=lambda chart: chart.name)
def test_the_network_plugins_versions_are_those_of_the_program(packed: Path, chart: Chart) -> None:
    assert chart.only is not None
    assert (packed / f"{chart.name}-{cni_values.VERSIONS[chart.only[1]]}.tgz").is_file()


def test_a_network_plugin_needs_none_to_run(packed: Path, tmp_path: Path) -> None:
    for case in ("Calico", "Cilium"):
        chart, values = GIVEN[case]
        pods = [
            made["spec"]["template"]["spec"]
            for made in objects(packed / f"{chart}.tgz", values, tmp_path)
            if made["kind"] in ("Deployment", "DaemonSet")
        ]
        assert len(pods) == 2
        for pod in pods:
            assert pod["hostNetwork"] is True
            assert pod["tolerations"] == [{"operator": "Exists"}]


def test_the_webhooks_delay_is_a_value(packed: Path, tmp_path: Path) -> None:
    values = {"webhookDelaySeconds": 20}
    made = objects(packed / "metallb-0.16.1.tgz", values, tmp_path)
    pods = {o["metadata"]["name"]: o["spec"] for o in made if o["kind"] == "Deployment"}
    (container,) = pods["metallb-webhook"]["template"]["spec"]["containers"]
    assert "--after=20" in container["args"]
    # Ready before it listens: so the release is deployed while nobody answers yet.
    assert "readinessProbe" not in container


def test_frr_comes_with_bgp_alone(packed: Path, tmp_path: Path) -> None:
    def workloads(case: str) -> set[str]:
        chart, values = GIVEN[case]
        made = objects(packed / f"{chart}.tgz", values, tmp_path)
        return {o["metadata"]["name"] for o in made if o["kind"] == "DaemonSet"}

    assert workloads("metallb, layer 2") == {"metallb-speaker"}
    assert workloads("metallb, BGP") == {"metallb-speaker", "metallb-frr-k8s"}


def test_pods_do_not_start_without_the_secrets_that_the_program_makes(
    packed: Path, tmp_path: Path
) -> None:
    chart, values = GIVEN["Prometheus, all of it"]
    made = objects(packed / f"{chart}.tgz", values, tmp_path)
    mounted = {
        volume["secret"]["secretName"]
        for o in made
        if o["kind"] == "Deployment"
        for volume in o["spec"]["template"]["spec"].get("volumes", ())
    }
    assert mounted == {"grafana-admin", "alertmanager-config"}


def test_each_disk_has_a_daemon_on_its_node(packed: Path, tmp_path: Path) -> None:
    chart, values = GIVEN["Rook's cluster"]
    made = objects(packed / f"{chart}.tgz", values, tmp_path)
    daemons = [o for o in made if o["metadata"].get("labels", {}).get("app") == "rook-ceph-osd"]
    pods = [o["spec"]["template"]["spec"] for o in daemons]
    assert [pod["nodeSelector"]["kubernetes.io/hostname"] for pod in pods] == [
        *("node-1", "node-2", "node-2"),
    ]


def test_all_images_are_the_labs(packed: Path, tmp_path: Path) -> None:
    for chart, values in GIVEN.values():
        for made in objects(packed / f"{chart}.tgz", values, tmp_path):
            pod = made.get("spec", {}).get("template", {}).get("spec", {})
            for container in pod.get("containers", ()):
                assert container["image"] == "docker.io/lab/http-echo:1"
                assert container["imagePullPolicy"] == "IfNotPresent"


def test_they_are_packed_once(packed: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in packed.iterdir()}
    assert build.ensure() == packed
    assert {file: file.stat().st_mtime_ns for file in packed.iterdir()} == before
    assert {file.name for file in before} == {build.packed_name(c) for c in build.charts()}


def test_a_chart_that_helm_does_not_take_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "charts"
    (broken / "wrong" / "templates").mkdir(parents=True)
    (broken / "wrong" / "Chart.yaml").write_text("apiVersion: v2\nname: wrong\nversion: one\n")
    (broken / build.LIBRARY).mkdir()
    (broken / "build.py").write_text("")
    monkeypatch.setattr(build, "HERE", broken)
    monkeypatch.setattr(build, "__file__", str(broken / "build.py"))
    monkeypatch.setattr(build, "cache_folder", lambda: tmp_path / "cache")

    with pytest.raises(build.BuildError, match=r"wrong cannot be packed — Helm: .*version"):
        build.ensure()

    assert [file.name for file in (tmp_path / "cache" / "charts").iterdir()] == ["build.lock"]
