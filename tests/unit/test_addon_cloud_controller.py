"""The cloud's controllers: what is put into the cluster for which settings, and what is refused."""

import json
import shlex
from typing import Any

import pytest
import yaml

from components.addons.addon import AddonAsked
from components.addons.kinds import KINDS
from components.addons.settings import Addons
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_stack
from tests.unit.recorder import Recording, Registration, Secret
from tests.unit.stackfiles import raw

TOKEN = "dop_v1_" + "ab" * 32
DIGITALOCEAN: dict[str, Any] = {"token": {"secret": "digitalocean"}}
SECRETS = {"digitalocean": TOKEN}
FIRST_SERVER = "production-server-1"


def on_aws(settings: dict[str, Any] | None = None, **more: Any) -> Recording:
    return run_stack("production", {"addons": {"cloudController": settings or {}, **more}})


def on_digitalocean(settings: dict[str, Any] | None = None) -> Recording:
    chosen = {**DIGITALOCEAN, **(settings or {})}
    return run_stack("staging", {"secrets": SECRETS, "addons": {"cloudController": chosen}})


@pytest.fixture(scope="module")
def aws() -> Recording:
    return on_aws()


@pytest.fixture(scope="module")
def digitalocean() -> Recording:
    return on_digitalocean()


def pods(recording: Recording) -> dict[str, dict[str, Any]]:
    """Specs of the pods that the program makes objects for."""
    kinds = ("Deployment", "DaemonSet")
    return {
        r.inputs["metadata"]["name"]: r.inputs["spec"]["template"]["spec"]
        for kind in kinds
        for r in recording.of_type(f"kubernetes:apps/v1:{kind}")
    }


def config(recording: Recording, node: str) -> dict[str, Any]:
    text = recording.resources[f"{node}-install"].inputs["stdin"]
    words = text.partition("\nCONFIG=")[2].partition("\nPOD_IPS=")[0]
    found = yaml.safe_load(shlex.split(words)[0])
    assert isinstance(found, dict)
    return found


def variables(step: Registration) -> str:
    return str(step.inputs["stdin"]).split("# shellcheck")[0]


def test_k3s_leaves_nodes_to_the_clouds_controller(aws: Recording) -> None:
    server = config(aws, FIRST_SERVER)
    assert server["disable-cloud-controller"] is True
    assert "servicelb" in server["disable"]
    for node in (FIRST_SERVER, "production-storage-3"):
        assert "cloud-provider=external" in config(aws, node)["kubelet-arg"]
        assert config(aws, node)["kube-proxy-arg"] == ["healthz-bind-address=0.0.0.0"]
    agent = config(aws, "production-storage-3")
    assert "disable-cloud-controller" not in agent
    assert agent["kubelet-arg"][1] == "provider-id=aws:///eu-central-1c/production-storage-3-id"


def test_droplets_are_known_by_their_number(digitalocean: Recording) -> None:
    droplet = digitalocean.resources["staging-agent-2"].id
    told = config(digitalocean, "staging-agent-2")["kubelet-arg"]
    assert told == ["cloud-provider=external", f"provider-id=digitalocean://{droplet}"]


def test_without_it_k3s_is_as_before() -> None:
    plain = run_stack("production", {"addons": {}})
    for node in (FIRST_SERVER, "production-agent-1"):
        found = config(plain, node)
        assert not {"disable-cloud-controller", "kubelet-arg", "kube-proxy-arg"} & set(found)


def test_nodes_are_taken_in_before_the_controller_tells_their_addresses(aws: Recording) -> None:
    step = variables(aws.resources["production-agent-1-registration"])
    assert "EXTERNAL_CLOUD=yes\n" in step


def test_it_is_there_before_all_that_runs_pods_and_the_network_plugin() -> None:
    running = {"cni", "metallb", "rook", "longhorn", "certManager", "prometheus", "logging"}
    assert all("cloudController" in KINDS[key].after for key in running)
    assert running <= set(KINDS)
    addons = {"cni": {"plugin": "calico"}, "certManager": {}}
    recording = on_aws({}, **addons)
    for name in ("production-calico", "production-cert-manager"):
        assert "production-cloud" in recording.resources[name].dependencies
    # What is not in the host's network comes up only with the plugin.
    assert "daemonset/ebs-csi-node" not in variables(recording.resources["production-cloud"])


def test_the_step_waits_for_every_node_by_its_provider_id(aws: Recording) -> None:
    step = variables(aws.resources["production-cloud"])
    for group in ("agent", "server", "storage"):
        for n, zone in ((1, "a"), (2, "b"), (3, "c")):
            node = f"production-{group}-{n}"
            assert f"{node} aws:///eu-central-1{zone}/{node}-id" in step
    for workload in ("aws-cloud-controller-manager", "ebs-csi-node"):
        assert f"kube-system daemonset/{workload}" in step
    assert "kube-system deployment/ebs-csi-controller" in step


@pytest.mark.parametrize("stack", ["aws", "digitalocean"])
def test_what_it_made_in_the_cloud_goes_first_and_with_the_whole_cluster_too(
    stack: str, request: pytest.FixtureRequest
) -> None:
    recording: Recording = request.getfixturevalue(stack)
    (step,) = (
        r for n, r in recording.resources.items() if n.endswith("-cloud") and "delete" in r.inputs
    )
    assert not step.request.deletedWith
    assert "delete" in step.inputs["delete"]
    own = [r for r in recording.registrations if r.parent == step.parent and r is not step]
    assert own
    # It depends on all of them: so it is taken down before any of them is.
    assert {r.name for r in own} <= closure(recording, step)
    assert all(r.request.deletedWith.endswith(f"K3s::{step.name[: -len('-cloud')]}") for r in own)


def closure(recording: Recording, of: Registration) -> set[str]:
    found: set[str] = set()
    open_ = [of.name]
    by_name = {r.name: r for r in recording.registrations if r.request.custom}
    while open_:
        for name in by_name[open_.pop()].dependencies - found:
            found.add(name)
            if name in by_name:
                open_.append(name)
    return found


def test_the_network_and_the_permissions_go_after_what_the_controller_made(aws: Recording) -> None:
    needed = closure(aws, aws.resources["production-cloud"])
    assert {
        *("production-vpc", "production-public-a", "production-public-ipv4"),
        *("production-server-cloud-controller", "production-server-ebs-csi"),
        *("production-server-3", "production-agent-1"),
    } <= needed


def test_all_data_goes_only_where_that_is_asked_for(aws: Recording) -> None:
    assert "DESTROY=false" in variables(aws.resources["production-cloud"])
    assert "TAKE_DOWN=false" in variables(aws.resources["production-cloud"])
    gone = on_aws({"destroyData": True, "takeDown": True})
    assert "DESTROY=true" in variables(gone.resources["production-cloud"])
    assert "TAKE_DOWN=true" in variables(gone.resources["production-cloud"])
    assert r"DRIVERS='ebs\.csi\.aws\.com'" in variables(gone.resources["production-cloud"])


def test_the_charts_are_pinned_and_run_on_servers_in_the_hosts_network(aws: Recording) -> None:
    controller = aws.resources["production-aws-cloud-controller-manager"].inputs
    driver = aws.resources["production-aws-ebs-csi-driver"].inputs
    assert (controller["version"], driver["version"]) == ("0.0.11", "2.64.0")
    assert controller["values"]["hostNetworking"] is True
    assert "--configure-cloud-routes=false" in controller["values"]["args"]
    # k3s's label has a value, and the chart's selector has none.
    on_servers = {"node-role.kubernetes.io/control-plane": "true"}
    assert controller["values"]["nodeSelector"] == on_servers
    assert driver["values"]["controller"]["nodeSelector"] == on_servers
    assert driver["values"]["node"]["metadataSources"] == "kubernetes"
    apart = driver["values"]["controller"]["affinity"]["podAntiAffinity"]
    (one,) = apart["requiredDuringSchedulingIgnoredDuringExecution"]
    assert one["labelSelector"]["matchLabels"] == {"app": "ebs-csi-controller"}
    assert driver["values"]["node"]["reservedVolumeAttachments"] == 2
    moved = aws.resources["production-ebs-csi-controller-patch"]
    assert moved.inputs["spec"] == {"template": {"spec": {"hostNetwork": True}}}
    assert "production-aws-ebs-csi-driver" in moved.dependencies


def test_one_server_has_room_for_one_csi_controller() -> None:
    groups = {"server": {"role": "server", "count": 1}}
    recording = run_stack("production", {"groups": groups, "addons": {"cloudController": {}}})
    driver = recording.resources["production-aws-ebs-csi-driver"].inputs["values"]
    assert driver["controller"]["replicaCount"] == 1
    assert driver["node"]["reservedVolumeAttachments"] == 1


def test_servers_get_the_permissions_and_the_network_its_tags(aws: Recording) -> None:
    given = {r.name for r in aws.of_type("aws:iam/rolePolicy:RolePolicy")}
    assert {"production-server-cloud-controller", "production-server-ebs-csi"} <= given
    tag = "kubernetes.io/cluster/production"
    for name in (FIRST_SERVER, "production-public-a", "production-servers", "production-agents"):
        assert aws.resources[name].inputs["tags"][tag] == "owned"
    groups = aws.resources[FIRST_SERVER].inputs["vpcSecurityGroupIds"]
    assert groups == ["production-servers-id"], "the controller wants one tagged group, no more"
    plain = on_aws({"csi": False})
    given = {r.name for r in plain.of_type("aws:iam/rolePolicy:RolePolicy")}
    assert "production-server-ebs-csi" not in given


def test_the_controller_changes_no_instance_and_no_route(aws: Recording) -> None:
    policy = json.loads(aws.resources["production-server-cloud-controller"].inputs["policy"])
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert not {"ec2:ModifyInstanceAttribute", "ec2:CreateRoute", "ec2:DeleteRoute"} & actions
    assert {"elasticloadbalancing:ModifyTargetGroupAttributes", "ec2:CreateTags"} <= actions


def test_droplets_controllers_are_in_the_hosts_network_on_servers(digitalocean: Recording) -> None:
    found = pods(digitalocean)
    names = ("cloud-controller-manager", "csi-controller", "csi-node")
    assert set(found) == {f"digitalocean-{name}" for name in names}
    for name, pod in found.items():
        assert pod["hostNetwork"] is True
        assert pod["tolerations"] == [{"operator": "Exists"}]
        selected = pod.get("nodeSelector")
        assert (selected is None) is (name == "digitalocean-csi-node")
    (container,) = found["digitalocean-cloud-controller-manager"]["containers"]
    told = {e["name"]: e.get("value") for e in container["env"]}
    vpc = digitalocean.resources["staging-vpc"].id
    assert (told["DO_CLUSTER_VPC_ID"], told["REGION"]) == (vpc, "fra1")
    assert told["DEFAULT_LB_TYPE"] == "REGIONAL"
    assert container["image"].endswith(":v0.1.68")


def test_only_what_mounts_is_privileged(digitalocean: Recording) -> None:
    privileged = {
        (name, container["name"])
        for name, pod in pods(digitalocean).items()
        for container in pod["containers"]
        if container.get("securityContext", {}).get("privileged")
    }
    assert privileged == {("digitalocean-csi-node", "plugin")}


def test_the_token_is_in_one_secret_and_nowhere_else(digitalocean: Recording) -> None:
    held = digitalocean.resources["staging-digitalocean-token"]
    assert held.inputs["stringData"] == {"access-token": TOKEN}
    assert isinstance(held.marked["stringData"], Secret)
    assert held.inputs["metadata"]["namespace"] == "kube-system"
    for resource in digitalocean.registrations:
        if resource is not held:
            assert TOKEN not in str(resource.inputs), resource.name


def test_no_account_may_read_secrets_or_do_everything(digitalocean: Recording) -> None:
    roles = digitalocean.of_type("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole")
    assert len(roles) == 2
    for role in roles:
        for rule in role.inputs["rules"]:
            assert "secrets" not in rule["resources"]
            assert "*" not in [*rule["resources"], *rule["verbs"], *rule["apiGroups"]]


def test_raw_disks_are_left_out_of_what_a_droplet_takes() -> None:
    disks = {"agent": {"role": "agent", "count": 1, "disks": [10] * 11}}
    groups = {"server": {"role": "server", "count": 1}, **disks}
    recording = run_stack(
        "staging",
        {"secrets": SECRETS, "groups": groups, "addons": {"cloudController": DIGITALOCEAN}},
    )
    node = pods(recording)["digitalocean-csi-node"]["containers"][1]
    assert "--volume-limit=4" in node["args"]


@pytest.mark.parametrize(
    ("stack", "name", "provisioner", "parameters"),
    [
        (
            "aws",
            "ebs-gp3",
            "ebs.csi.aws.com",
            {"type": "gp3", "encrypted": "true", "csi.storage.k8s.io/fstype": "ext4"},
        ),
        ("digitalocean", "do-block-storage", "dobs.csi.digitalocean.com", {}),
    ],
)
def test_each_cloud_has_a_storage_class(
    stack: str,
    name: str,
    provisioner: str,
    parameters: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    recording: Recording = request.getfixturevalue(stack)
    (made,) = (
        r
        for r in recording.of_type("kubernetes:storage.k8s.io/v1:StorageClass")
        if r.inputs["metadata"]["name"] == name
    )
    assert made.inputs["provisioner"] == provisioner
    assert made.inputs.get("parameters", {}) == parameters
    assert made.inputs["volumeBindingMode"] == "WaitForFirstConsumer"
    assert "annotations" not in made.inputs["metadata"]


def test_the_class_is_the_default_one_where_that_is_asked_for() -> None:
    recording = on_aws({"defaultClass": True}, localPath=False)
    marks = recording.resources["production-ebs-gp3"].inputs["metadata"]["annotations"]
    assert marks == {"storageclass.kubernetes.io/is-default-class": "true"}


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_without_csi_there_is_no_storage_and_no_driver(stack: str) -> None:
    recording = on_aws({"csi": False}) if stack == "production" else on_digitalocean({"csi": False})
    made = [r.name for r in recording.registrations]
    assert not [name for name in made if "csi" in name and "install" not in name]
    assert "csi" not in variables(recording.resources[f"{stack}-cloud"]).split("DRIVERS")[0]


def test_balancers_reach_node_ports_and_nothing_answers_on_the_nodes_themselves() -> None:
    addons = {"cloudController": {}, "ingress": {}}
    settings = parse("production", raw("production", {"addons": addons}))
    from components import firewall

    held = {row.name: row for row in firewall.rows(settings.firewall_facts("production"))}
    assert {"node-ports", "node-health"} <= set(held)
    assert not {"http", "https"} & set(held)


def lines(stack: str, overrides: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw(stack, overrides), secrets=frozenset(SECRETS))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


ON_BOTH = {
    "server": {"role": "server", "count": 1},
    "agent": {"role": "agent", "count": 1, "platform": "digitalocean"},
}


@pytest.mark.parametrize(
    ("stack", "overrides", "starts"),
    [
        ("dev", {"cloudController": {}}, "addons.cloudController: nodes on local — containers of"),
        (
            "hybrid",
            {"cloudController": {}},
            "addons.cloudController: nodes on aws, digitalocean, existing — a cloud's controller",
        ),
        (
            "staging",
            {"cloudController": {}},
            "addons.cloudController.token: nothing — the controller asks DigitalOcean with it",
        ),
        (
            "staging",
            {"cloudController": {"token": {"value": "dop_v1_x"}}},
            "addons.cloudController.token: a value in clear — the controller asks",
        ),
        (
            "staging",
            {"cloudController": {"token": {"secret": "other"}}},
            "addons.cloudController.token: {secret: other} — config has no secret value",
        ),
        (
            "staging",
            {"cloudController": {**DIGITALOCEAN, "csiValues": {"a": 1}}},
            "addons.cloudController.csiValues: a value — it is for aws, and all nodes are on",
        ),
        (
            "production",
            {"cloudController": DIGITALOCEAN},
            "addons.cloudController.token: a value — it is for digitalocean, and all nodes",
        ),
        (
            "production",
            {"cloudController": {"csi": False, "defaultClass": True}},
            "addons.cloudController.defaultClass: True — csi is false",
        ),
        (
            "production",
            {"cloudController": {"csi": False, "destroyData": True}},
            "addons.cloudController.destroyData: True — csi is false",
        ),
        (
            "production",
            {"cloudController": {}, "servicelb": True},
            "addons.servicelb: True — k3s.disable, or an add-on",
        ),
        (
            "production",
            {"cloudController": {"csi": False}, "localPath": False, "prometheus": {"storage": {}}},
            "addons.prometheus.storage.storageClass: nothing — k3s's local-path is off, and no",
        ),
    ],
)
def test_what_cannot_work_is_told_once(stack: str, overrides: dict[str, Any], starts: str) -> None:
    found = lines(stack, {"addons": overrides})
    assert len([line for line in found if line.startswith(starts)]) == 1, found
    if stack != "hybrid":
        assert len(found) == 1, found


def test_two_families_beside_it_are_refused() -> None:
    k3s = {
        **{"version": "v1.35.6+k3s1", "clusterCidrIpv6": "fd42::/56"},
        **{"serviceCidrIpv6": "fd43::/112"},
    }
    overrides = {"k3s": k3s, "network": {"ipv6": True}, "addons": {"cloudController": {}}}
    (line,) = lines("production", overrides)
    assert line.startswith("k3s.clusterCidrIpv6: fd42::/56 — beside a cloud's controller k3s")


def test_charts_of_a_folder_are_looked_for_on_aws_alone(tmp_path: Any) -> None:
    charts = {"from": "folder", "folder": str(tmp_path)}
    aws = lines("production", {"addons": {"charts": charts, "cloudController": {}}})
    assert [line.partition(":")[0] for line in aws] == [
        *("addons.cloudController.version", "addons.cloudController.csiVersion"),
    ]
    addons = {"charts": charts, "cloudController": DIGITALOCEAN}
    parse("staging", raw("staging", {"addons": addons}), secrets=frozenset(SECRETS))


def test_it_brings_storage_to_others_only_with_csi() -> None:
    for csi in (True, False):
        addons = Addons.model_validate({"cloudController": {"csi": csi}})
        assert ("cloudController" in addons.storage()) is csi
    assert AddonAsked.__dataclass_fields__["storage"]
