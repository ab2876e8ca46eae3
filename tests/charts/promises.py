"""What the pages of docs/addons promise of each real chart's objects: a table, by add-on."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from components.addons import logging_values
from tests.charts import promises_network as network
from tests.charts.rendering import Rendered

Promise = Callable[[Rendered], None]


def words_of(found: Mapping[str, Any]) -> list[str]:
    """Arguments of all containers of a workload."""
    containers = found["spec"]["template"]["spec"]["containers"]
    return [word for container in containers for word in container.get("args", ())]


def metallb_runs_frr_for_bgp_alone(found: Rendered) -> None:
    frr = [o for o in found.objects if "frr" in o["metadata"]["name"] and o["kind"] == "DaemonSet"]
    assert bool(frr) is (found.case.title == "bgp")
    assert found.one("DaemonSet", "metallb-speaker")
    assert found.one("ValidatingWebhookConfiguration", "metallb-webhook-configuration")


def cert_managers_definitions_stay(found: Rendered) -> None:
    kept = {"helm.sh/resource-policy": "keep"}
    for definition in found.of_kind("CustomResourceDefinition"):
        assert kept.items() <= definition["metadata"]["annotations"].items()


def cert_managers_default_issuer_is_among_those_made(found: Rendered) -> None:
    issuers = [o["metadata"]["name"] for o in found.made if o["kind"] == "ClusterIssuer"]
    (named,) = (
        word.partition("=")[2]
        for word in words_of(found.one("Deployment", "cert-manager"))
        if word.startswith("--default-issuer-name=")
    )
    assert named in issuers
    assert named == ("letsencrypt-production" if found.case.settings else "self-signed")


def nothing_asks_the_webhook_but_the_program(found: Rendered) -> None:
    assert found.of_kind("Job") == []


def prometheus_reads_all_monitors_and_none_of_k3ss_own_process(found: Rendered) -> None:
    spec = found.one("Prometheus")["spec"]
    for kind in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"):
        assert spec[f"{kind}Selector"] == {}, kind
    assert spec["retention"] == "10d"
    jobs = " ".join(o["metadata"]["name"] for o in found.of_kind("ServiceMonitor"))
    for part in ("controller-manager", "scheduler", "proxy", "etcd"):
        assert part not in jobs
    assert "kubelet" in jobs


def grafanas_password_is_in_the_programs_secret_alone(found: Rendered) -> None:
    pod = found.one("Deployment", "prometheus-grafana")["spec"]["template"]["spec"]
    sources = [
        v["valueFrom"]["secretKeyRef"]
        for c in pod["containers"]
        for v in c.get("env", ())
        if v["name"] == "GF_SECURITY_ADMIN_PASSWORD"
    ]
    assert sources == [{"name": "grafana-admin", "key": "admin-password"}]
    assert "grafana-admin" in {o["metadata"]["name"] for o in found.made if o["kind"] == "Secret"}
    # Without receivers the chart makes one for Alertmanager, which tells nobody of anything.
    assert [o for o in found.of_kind("Secret") if "grafana" in o["metadata"]["name"]] == []


def grafana_reads_no_secrets(found: Rendered) -> None:
    account = found.one("Deployment", "prometheus-grafana")["spec"]["template"]["spec"][
        "serviceAccountName"
    ]
    roles = {
        binding["roleRef"]["name"]
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for binding in found.of_kind(kind)
        if account in [subject["name"] for subject in binding["subjects"]]
    }
    for role in [*found.of_kind("ClusterRole"), *found.of_kind("Role")]:
        if role["metadata"]["name"] in roles:
            assert not [rule for rule in role["rules"] or () if "secrets" in rule["resources"]]


def prometheus_has_volumes_where_they_are_asked_for(found: Rendered) -> None:
    spec, asked = found.one("Prometheus")["spec"], "storage" in found.case.settings
    assert ("storage" in spec) is asked
    assert bool(found.of_kind("PersistentVolumeClaim")) is asked
    if asked:
        claim = spec["storage"]["volumeClaimTemplate"]["spec"]
        assert claim["resources"]["requests"]["storage"] == "50Gi"
        assert spec["retentionSize"] == "40960MiB"


def alertmanager_is_told_by_the_programs_secret(found: Rendered) -> None:
    spec = found.one("Alertmanager")["spec"]
    if "alertmanager" in found.case.settings:
        assert spec["configSecret"] == "alertmanager-config"


def pods_of(found: Rendered, kind: str, name: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """A workload's pods: their spec, and their labels."""
    template = found.one(kind, name)["spec"]["template"]
    return template["spec"], template["metadata"]["labels"]


def loki_runs_alone_on_the_programs_volume(found: Rendered) -> None:
    assert [o["metadata"]["name"] for o in found.of_kind("StatefulSet")] == ["loki"]
    assert found.of_kind("Deployment") == found.of_kind("PersistentVolumeClaim") == []
    assert "volumeClaimTemplates" not in found.one("StatefulSet", "loki")["spec"]
    pod, _ = pods_of(found, "StatefulSet", "loki")
    assert len(pod["containers"]) == 1
    (volume,) = (v for v in pod["volumes"] if v["name"] == "storage")
    claims = [o["metadata"]["name"] for o in found.made if o["kind"] == "PersistentVolumeClaim"]
    if "storage" in found.case.settings:
        assert [volume["persistentVolumeClaim"]["claimName"]] == claims
    else:
        assert (volume, claims) == ({"name": "storage", "emptyDir": {}}, [])


def the_collector_reads_files_and_opens_nothing(found: Rendered) -> None:
    pod, _ = pods_of(found, "DaemonSet", "collector-agent")
    assert (pod["hostNetwork"], pod["hostPID"]) == (False, False)
    (container,) = pod["containers"]
    assert not container.get("ports")
    assert {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")} == {
        *("/conf", "/var/lib/otelcol-logging"),
    }
    assert {o["metadata"]["name"] for o in found.of_kind("Service")} == {
        *("loki", "loki-headless", "loki-memberlist"),
    }


def neither_speaks_with_the_api(found: Rendered) -> None:
    for kind, name in (("StatefulSet", "loki"), ("DaemonSet", "collector-agent")):
        assert pods_of(found, kind, name)[0]["automountServiceAccountToken"] is False
    for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        assert found.of_kind(kind) == []


def policies_name_the_labels_of_the_charts_pods(found: Rendered) -> None:
    policies = {o["metadata"]["name"]: o for o in found.made if o["kind"] == "NetworkPolicy"}
    allowed = policies["collector-to-loki"]["spec"]
    (rule,) = allowed["ingress"]
    (peer,) = rule["from"]
    _, loki = pods_of(found, "StatefulSet", "loki")
    _, collector = pods_of(found, "DaemonSet", "collector-agent")
    assert allowed["podSelector"]["matchLabels"].items() <= loki.items()
    assert peer["podSelector"]["matchLabels"].items() <= collector.items()


def grafanas_pods_are_those_that_loki_lets_in(found: Rendered) -> None:
    (rule,) = logging_values.policies(grafana=True)["grafana-to-loki"]["spec"]["ingress"]
    (peer,) = rule["from"]
    _, labels = pods_of(found, "Deployment", "prometheus-grafana")
    assert peer["podSelector"]["matchLabels"].items() <= labels.items()
    where = {"kubernetes.io/metadata.name": found.one("Prometheus")["metadata"]["namespace"]}
    assert peer["namespaceSelector"]["matchLabels"] == where


def ceph_takes_the_named_disks_and_no_others(found: Rendered) -> None:
    storage = found.one("CephCluster")["spec"]["storage"]
    assert (storage["useAllNodes"], storage["useAllDevices"]) == (False, False)
    assert storage["nodes"]
    assert all(node["devices"] for node in storage["nodes"])


def ceph_has_the_stores_that_are_asked_for(found: Rendered) -> None:
    for kind, key in (("CephFilesystem", "filesystem"), ("CephObjectStore", "objectStore")):
        assert bool(found.of_kind(kind)) is (key in found.case.settings)
    made = {o["kind"] for o in found.made}
    assert ("CephNFS" in made) is ("nfs" in found.case.settings)
    classes = {o["metadata"]["name"] for o in found.of_kind("StorageClass")}
    assert "ceph-block" in classes


def ceph_drivers_are_those_of_the_stores(found: Rendered) -> None:
    drivers = {o["metadata"]["name"].partition(".")[2] for o in found.of_kind("Driver")}
    filesystem, nfs = ("cephfs.csi.ceph.com", "nfs.csi.ceph.com")
    assert "rbd.csi.ceph.com" in drivers
    assert (filesystem in drivers) is ("filesystem" in found.case.settings)
    assert (nfs in drivers) is ("nfs" in found.case.settings)


def longhorn_is_told(found: Rendered, name: str, file: str) -> Any:
    """What its managers read at their start, from a ConfigMap of the chart."""
    return yaml.safe_load(found.one("ConfigMap", name)["data"][file])


def longhorn_stores_where_it_is_told_as_often_as_it_is_told(found: Rendered) -> None:
    asked = found.case.settings
    replicas = str(asked.get("replicas", 3))
    told = longhorn_is_told(found, "longhorn-default-setting", "default-setting.yaml")
    assert told["default-data-path"] == asked.get("dataPath", "/var/lib/longhorn")
    assert told["create-default-disk-labeled-nodes"] is ("groups" in asked)
    assert told["default-replica-count"] == replicas
    made = longhorn_is_told(found, "longhorn-storageclass", "storageclass.yaml")
    assert made["metadata"]["name"] == "longhorn"
    assert made["provisioner"] == "driver.longhorn.io"
    assert made["parameters"]["numberOfReplicas"] == replicas
    (default,) = made["metadata"]["annotations"].values()
    assert default == str(asked.get("defaultClass", False)).lower()


def longhorn_tells_nobody_outside(found: Rendered) -> None:
    told = longhorn_is_told(found, "longhorn-default-setting", "default-setting.yaml")
    assert told["upgrade-checker"] is told["allow-collecting-longhorn-usage-metrics"] is False


def longhorn_is_uninstalled_by_its_job_when_the_step_has_confirmed(found: Rendered) -> None:
    told = longhorn_is_told(found, "longhorn-default-setting", "default-setting.yaml")
    assert "deleting-confirmation-flag" not in told
    job = found.one("Job", "longhorn-uninstall")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    # Less than what its release is given.
    assert job["spec"]["activeDeadlineSeconds"] <= 900


def longhorn_looks_for_the_kubelet_where_k3s_has_it(found: Rendered) -> None:
    deployer, _ = pods_of(found, "Deployment", "longhorn-driver-deployer")
    told = {v["name"]: v.get("value") for c in deployer["containers"] for v in c["env"]}
    assert told["KUBELET_ROOT_DIR"] == "/var/lib/kubelet"


def longhorns_step_reads_what_its_definitions_have(found: Rendered) -> None:
    known = {
        o["metadata"]["name"]: {
            v["name"]: v["schema"]["openAPIV3Schema"]["properties"] for v in o["spec"]["versions"]
        }
        for o in found.of_kind("CustomResourceDefinition")
    }
    assert "value" in known["settings.longhorn.io"]["v1beta2"]
    status = known["nodes.longhorn.io"]["v1beta2"]["status"]["properties"]
    disk = status["diskStatus"]["additionalProperties"]["properties"]
    for conditions in (status["conditions"], disk["conditions"]):
        assert {"type", "status", "message"} <= set(conditions["items"]["properties"])


PROMISES: Mapping[str, tuple[Promise, ...]] = {
    **network.PROMISES,
    "metallb": (metallb_runs_frr_for_bgp_alone,),
    "certManager": (
        cert_managers_definitions_stay,
        cert_managers_default_issuer_is_among_those_made,
        nothing_asks_the_webhook_but_the_program,
    ),
    "prometheus": (
        prometheus_reads_all_monitors_and_none_of_k3ss_own_process,
        grafanas_password_is_in_the_programs_secret_alone,
        grafana_reads_no_secrets,
        prometheus_has_volumes_where_they_are_asked_for,
        alertmanager_is_told_by_the_programs_secret,
        grafanas_pods_are_those_that_loki_lets_in,
    ),
    "logging": (
        loki_runs_alone_on_the_programs_volume,
        the_collector_reads_files_and_opens_nothing,
        neither_speaks_with_the_api,
        policies_name_the_labels_of_the_charts_pods,
    ),
    "longhorn": (
        longhorn_stores_where_it_is_told_as_often_as_it_is_told,
        longhorn_tells_nobody_outside,
        longhorn_is_uninstalled_by_its_job_when_the_step_has_confirmed,
        longhorn_looks_for_the_kubelet_where_k3s_has_it,
        longhorns_step_reads_what_its_definitions_have,
    ),
    "rook": (
        ceph_takes_the_named_disks_and_no_others,
        ceph_has_the_stores_that_are_asked_for,
        ceph_drivers_are_those_of_the_stores,
    ),
}
