"""The network plugin: how k3s is under it, what its charts are told, and what is refused."""

import itertools
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import firewall
from components.addons import cni_values
from components.addons.cni_settings import CniSettings, profiles
from components.addons.webhook import SCRIPTS
from components.k3s.settings import K3sSettings
from components.k3s.step import Step
from components.problems import SettingsError
from components.scripts import compose
from stacks.settings import parse
from tests.unit.program import run_dev, run_stack
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw

CALICO = {"plugin": "calico"}
CILIUM = {"plugin": "cilium", "kubeProxyReplacement": True}
METALLB = {"pools": {"main": {"addresses": ["10.121.255.200-10.121.255.250"]}}}
GROUPS = {"server": {"role": "server", "count": 1}, "agent": {"role": "agent", "nodes": ["1", "x"]}}
DUAL_STACK = {"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"}
VERSION = {"version": "v1.35.6+k3s1"}
LIB = Step("lib", seconds=1).folder / "lib.sh"


def dev(cni: Mapping[str, object], **more: object) -> Recording:
    return run_dev({"groups": GROUPS, "addons": {"cni": cni, "metallb": METALLB}, **more})


@pytest.fixture(scope="module")
def calico() -> Recording:
    return dev(CALICO)


@pytest.fixture(scope="module")
def cilium() -> Recording:
    return dev(CILIUM)


def lines(cni: Mapping[str, object], stack: str = "dev", **more: Any) -> list[str]:
    addons = {"cni": cni, **more.pop("addons", {})}
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw(stack, {"addons": addons, **more}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def k3s(**more: object) -> K3sSettings:
    return K3sSettings.model_validate({**VERSION, **more})


def settings(cni: Mapping[str, object]) -> CniSettings:
    return CniSettings.model_validate(cni)


def config_of(recording: Recording, node: str) -> dict[str, Any]:
    text = recording.resources[f"{node}-install"].inputs["stdin"]
    (config,) = [word for word in shlex.split(text, comments=True) if word.startswith("CONFIG=")]
    return dict(yaml.safe_load(config.removeprefix("CONFIG=")))


def test_k3s_runs_without_flannel_and_without_its_own_policies(calico: Recording) -> None:
    config = config_of(calico, "dev-server-1")
    assert config["flannel-backend"] == "none"
    assert config["disable-network-policy"] is True
    assert "disable-kube-proxy" not in config
    assert "POD_NETWORK=''" in calico.resources["dev-agent-x-registration"].inputs["stdin"]


def test_kube_proxy_goes_only_where_cilium_takes_its_place(cilium: Recording) -> None:
    assert config_of(cilium, "dev-server-1")["disable-kube-proxy"] is True
    values = cilium.resources["dev-cilium"].inputs["values"]
    assert values["kubeProxyReplacement"] is True
    assert (values["k8sServiceHost"], values["k8sServicePort"]) == ("127.0.0.1", 6444)
    assert values["kubeProxyReplacementHealthzBindAddr"] == "0.0.0.0:10256"
    beside = cni_values.cilium_values(settings({"plugin": "cilium"}), k3s(), nodes=3)
    assert beside["kubeProxyReplacement"] is False
    assert "k8sServiceHost" not in beside


def test_the_definitions_come_first_the_nodes_last_and_other_add_ons_after_them(
    calico: Recording,
) -> None:
    order = ["dev-network-plugin", "dev-calico-crds", "dev-calico", "dev-nodes-ready"]
    for before, after in itertools.pairwise(order):
        assert before in calico.resources[after].dependencies
    assert "dev-nodes-ready" in calico.resources["dev-metallb"].dependencies
    for name in order:
        # What the nodes' registration must not wait for, waits for it.
        assert "dev-agent-x-registration" in calico.resources[name].dependencies


def test_the_plugin_is_waited_for_by_the_step_that_can_tell_why_it_does_not_come(
    calico: Recording,
) -> None:
    assert calico.resources["dev-calico"].inputs["skipAwait"] is True
    assert not calico.resources["dev-calico"].inputs.get("atomic")
    # Kinds are known a moment after their definitions are made.
    for name in ("dev-calico-crds", "dev-metallb"):
        assert not calico.resources[name].inputs.get("skipAwait")


@pytest.mark.parametrize("name", ["dev-calico-crds", "dev-calico"])
def test_calicos_two_charts_are_of_one_version(calico: Recording, name: str) -> None:
    release = calico.resources[name].inputs
    assert release["version"] == "v3.32.1"
    assert release["repositoryOpts"] == {"repo": "https://docs.tigera.io/calico/charts"}


def test_the_version_is_the_chosen_plugins_unless_it_is_written(cilium: Recording) -> None:
    assert cilium.resources["dev-cilium"].inputs["version"] == "1.20.0"
    assert cilium.resources["dev-cilium"].inputs["namespace"] == "kube-system"
    assert settings({**CALICO, "version": "v3.32.9"}).version == "v3.32.9"


def step(recording: Recording) -> str:
    return str(recording.resources["dev-nodes-ready"].inputs["stdin"])


def test_every_node_is_waited_for_and_anew_when_one_is_new_or_the_plugin_is_another(
    calico: Recording,
) -> None:
    assert "NODES='dev-agent-1\ndev-agent-x\ndev-server-1'" in step(calico)
    assert calico.resources["dev-nodes-ready"].inputs.get("update") is None
    fewer = dev(CALICO, groups={"server": {"role": "server", "count": 1}})
    told = dev({**CALICO, "values": {"installation": {"variant": "Calico"}}})
    assert len({step(calico), step(fewer), step(told)}) == 3


@pytest.mark.parametrize("plugin", ["calico", "cilium"])
def test_values_of_ones_own_are_merged_last_and_into_the_plugins_chart_alone(plugin: str) -> None:
    values = {"tolerations": [{"operator": "Exists"}], "operator": {"prometheus": {}}}
    made = dev({**(CALICO if plugin == "calico" else CILIUM), "values": values})
    given = made.resources[f"dev-{plugin}"].inputs["values"]
    assert given["tolerations"] == values["tolerations"]
    assert len(given) > 2
    if plugin == "calico":
        assert not made.resources["dev-calico-crds"].inputs.get("values")


def test_pods_get_k3s_ranges_of_both_families() -> None:
    network = cni_values.calico_values(settings(CALICO), k3s(**DUAL_STACK), nodes=3)[
        "installation"
    ]["calicoNetwork"]
    assert [(p["cidr"], p["blockSize"], p["encapsulation"]) for p in network["ipPools"]] == [
        ("10.42.0.0/16", 26, "VXLAN"),
        ("fd42::/56", 122, "VXLAN"),
    ]
    assert network["bgp"] == "Disabled"
    for family in ("V4", "V6"):
        assert network[f"nodeAddressAutodetection{family}"] == {"kubernetes": "NodeInternalIP"}
    # Cilium asks Kubernetes, which k3s has told.
    values = cni_values.cilium_values(settings(CILIUM), k3s(**DUAL_STACK), nodes=3)
    assert (values["ipam"]["mode"], values["ipv6"]["enabled"]) == ("kubernetes", True)


def test_one_family_alone_has_one_pool() -> None:
    network = cni_values.calico_values(settings(CALICO), k3s(), nodes=3)["installation"][
        "calicoNetwork"
    ]
    assert [pool["cidr"] for pool in network["ipPools"]] == ["10.42.0.0/16"]
    assert "nodeAddressAutodetectionV6" not in network


@pytest.mark.parametrize(("nodes", "pods"), [(1, 1), (2, 2), (7, 2)])
def test_a_lone_node_has_one_of_each(nodes: int, pods: int) -> None:
    calico = cni_values.calico_values(settings(CALICO), k3s(), nodes=nodes)
    cilium = cni_values.cilium_values(settings(CILIUM), k3s(), nodes=nodes)
    assert calico["installation"]["controlPlaneReplicas"] == pods
    assert cilium["operator"]["replicas"] == pods


def test_wireguard_is_asked_for_and_calicos_silence_about_a_kernel_without_it_is_not_taken() -> (
    None
):
    wanted = {"encryption": "wireguard"}
    plain, dual = (
        cni_values.calico_values(settings({**CALICO, **wanted}), of, nodes=1)
        for of in (k3s(), k3s(**DUAL_STACK))
    )
    assert plain["defaultFelixConfiguration"] == {"enabled": True, "wireguardEnabled": True}
    assert dual["defaultFelixConfiguration"]["wireguardEnabledV6"] is True
    made = dev({**CALICO, **wanted})
    assert "SIGN=projectcalico.org/WireguardPublicKey" in step(made)
    values = cni_values.cilium_values(settings({**CILIUM, **wanted}), k3s(), nodes=1)
    assert values["encryption"] == {"enabled": True, "type": "wireguard"}


@pytest.mark.parametrize(
    ("cni", "rows"),
    [
        (CALICO, {"calico-typha", "calico-vxlan"}),
        (
            {**CALICO, "encryption": "wireguard", "flows": True},
            {"calico-typha", "calico-vxlan", "calico-wireguard"},
        ),
        (CILIUM, {"cilium-vxlan", "cilium-health"}),
        (
            {**CILIUM, "encryption": "wireguard", "flows": True},
            {"cilium-vxlan", "cilium-health", "cilium-wireguard", "cilium-hubble"},
        ),
    ],
)
def test_the_firewall_lets_in_what_the_plugin_uses_and_nothing_of_flannels(
    cni: Mapping[str, object], rows: set[str]
) -> None:
    facts = firewall.Facts(servers=1, backend="none", profiles=profiles(settings(cni)))
    always = {row.name for row in firewall.rows(firewall.Facts(servers=1, backend="none"))}
    assert {row.name for row in firewall.rows(facts)} - always == rows


def test_ec2_goes_on_checking_addresses_as_packets_go_under_the_nodes_own() -> None:
    cluster = run_stack("production", {"addons": {"cni": CALICO}})
    checks = {i.inputs["sourceDestCheck"] for i in cluster.of_type("aws:ec2/instance:Instance")}
    assert checks == {True}


REFUSED = [
    (
        CALICO,
        {"k3s": {**VERSION, "flannelBackend": "wireguard-native"}},
        "k3s.flannelBackend: wireguard-native — addons.cni puts calico in flannel's place — leave "
        "it out, or addons.cni",
    ),
    (
        {"plugin": "cilium"},
        {},
        "addons.cni: cilium — beside kube-proxy it serves no host ports, on which k3s's own "
        "balancer stands — add kubeProxyReplacement: true, or leave the balancer out by "
        "servicelb: false",
    ),
    (
        {**CALICO, "kubeProxyReplacement": True},
        {},
        "addons.cni.kubeProxyReplacement: True — beside calico it is kube-proxy that serves "
        "Services — leave it out, or write plugin: cilium",
    ),
    (
        CALICO,
        {"k3s": {**VERSION, "kubeProxy": False}},
        "k3s.kubeProxy: False — beside calico as it is set, nobody would serve Services — leave it "
        "out, or write plugin: cilium and kubeProxyReplacement: true",
    ),
    (
        {**CALICO, "values": {"installation": {"calicoNetwork": {"bgp": "Enabled"}}}},
        {},
        "addons.cni.values.installation.calicoNetwork.bgp: Enabled — firewall and k3s follow the "
        "settings, and would not know of it — leave it out: pods' traffic goes by VXLAN",
    ),
    (
        {**CILIUM, "values": {"bpf": {"hostLegacyRouting": False}}},
        {},
        "addons.cni.values.bpf.hostLegacyRouting: False — firewall and k3s follow the settings, "
        "and would not know of it — leave it out: pods are kept from the cloud's metadata by it",
    ),
]


@pytest.mark.parametrize(("cni", "more", "said"), REFUSED)
def test_what_cannot_work_is_refused_in_one_line(
    cni: Mapping[str, object], more: Mapping[str, Any], said: str
) -> None:
    assert lines(cni, **more) == [said]


def test_a_plugin_must_be_named_and_known() -> None:
    assert [line.partition(":")[0] for line in lines({"plugin": "weave"})] == ["addons.cni.plugin"]
    assert [line.partition(":")[0] for line in lines({})] == ["addons.cni.plugin"]


def test_several_networks_are_refused_as_it_joins_nodes_by_private_addresses() -> None:
    (told,) = lines(CALICO, "hybrid")
    assert told.startswith("addons.cni: calico — nodes are on aws, digitalocean, existing:")
    assert told.endswith("leave it out: flannel's wireguard-native is the default there")


def test_dual_stack_on_digitalocean_is_told_of_the_plugin_not_of_flannel() -> None:
    more = {"network": {"ipv6": True}, "k3s": {**VERSION, **DUAL_STACK}}
    (told,) = lines(CALICO, "staging", **more)
    assert told.startswith("k3s.clusterCidrIpv6: fd42::/56 — the VPC has no IPv6, and calico joins")


def test_without_a_plugin_kube_proxy_must_stay() -> None:
    with pytest.raises(SettingsError, match="nobody would serve Services: flannel does not"):
        parse("dev", raw("dev", {"k3s": {**VERSION, "kubeProxy": False}}))


def test_metallb_in_the_balancers_place_lets_cilium_stand_beside_kube_proxy() -> None:
    made = dev({"plugin": "cilium"})
    assert "disable-kube-proxy" not in config_of(made, "dev-server-1")


@pytest.mark.parametrize(
    ("addons", "charts"),
    [
        (CALICO, {"crd.projectcalico.org.v1", "tigera-operator"}),
        (CILIUM, {"cilium"}),
    ],
)
def test_a_folder_of_charts_must_have_those_of_the_chosen_plugin_alone(
    tmp_path: Path, addons: Mapping[str, object], charts: set[str]
) -> None:
    source = {"from": "folder", "folder": str(tmp_path)}
    told = lines(addons, addons={"charts": source})
    assert {line.split("has no ")[1].split("-v3")[0].split("-1.20")[0] for line in told} == charts


# How kubectl answers in place of the cluster's.
KUBECTL = """#!/bin/sh
case "$*" in
    *'get nodes'*) cat "$ANSWERS/nodes" ;;
    *'rollout status'*) test -e "$ANSWERS/rolled-out" ;;
    *'get node '*) cat "$ANSWERS/condition" ;;
    *'get pods'*) cat "$ANSWERS/pods" ;;
    *'get events'*) echo 'calico-system calico-node-x Failed no such image' ;;
    *) echo "not asked for: $*" >&2; exit 9 ;;
esac
"""


def wait(folder: Path, sign: str = "", **answers: str) -> "subprocess.CompletedProcess[str]":
    """nodes_ready.sh with a kubectl that answers from `folder`, and a second's patience."""
    program = folder / "k3s"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    for name, text in {"condition": "", "pods": "", **answers}.items():
        (folder / name.replace("_", "-")).write_text(text)
    text = compose(
        [LIB, SCRIPTS / "nodes_ready.sh"],
        {
            **{"NODE": "s-1", "STEP": "nodes_ready", "NODES": "s-1\na-1", "SIGN": sign},
            "WORKLOADS": "calico-system daemonset/calico-node",
        },
    )
    text = text.replace("NODES_SECONDS=600", "NODES_SECONDS=1")
    return subprocess.run(
        ["sh", "-s", "--", "create"],
        input=text.replace("K3S=/usr/local/bin/k3s", f"K3S={program}"),
        env={"PATH": "/usr/bin:/bin", "ANSWERS": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_ends_when_every_node_is_ready_and_the_plugin_rolled_out(tmp_path: Path) -> None:
    run = wait(tmp_path, nodes="s-1 True \na-1 True \n", rolled_out="")
    assert (run.returncode, run.stderr) == (0, "s-1: nodes_ready: all nodes are Ready\n")


def test_a_node_that_does_not_come_is_told_with_its_condition_and_the_cause(tmp_path: Path) -> None:
    run = wait(
        tmp_path,
        nodes="s-1 True \na-1 False \n",
        rolled_out="",
        condition="False since 2026-11-21T07:00:00Z: KubeletNotReady — cni plugin not initialized",
        pods="calico-system calico-node-x 0/1 Init:ImagePullBackOff 0 5m\n"
        "kube-system fine 1/1 Running 0 5m\n",
    )
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "s-1: nodes_ready: after 1 s:",
        "s-1: nodes_ready: node a-1 is not Ready: False since 2026-11-21T07:00:00Z: "
        "KubeletNotReady — cni plugin not initialized",
        "  pod calico-system/calico-node-x: Init:ImagePullBackOff, 0/1 ready",
        "s-1: nodes_ready: the last warnings:",
        "  calico-system calico-node-x Failed no such image",
        "s-1: nodes_ready: not Ready after 1 s: a-1 — their conditions and pods are above — mend "
        "the cause, then run up again",
    ]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        # A name that another begins with is not that node.
        ("s-1 True \na-11 True \n", "not Ready after 1 s: a-1 "),
        ("s-1 True \n", "not Ready after 1 s: a-1 "),
        ("s-1 True \na-1 True \n", "not all of the plugin runs after 1 s: calico-system"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, nodes: str, said: str) -> None:
    run = wait(tmp_path, nodes=nodes)
    assert run.returncode == 1
    assert said in run.stderr


def test_a_node_without_the_sign_of_encryption_is_not_ready(tmp_path: Path) -> None:
    sign = "projectcalico.org/WireguardPublicKey"
    run = wait(
        tmp_path, sign, nodes="s-1 True key=\na-1 True \n", rolled_out="", condition="True since"
    )
    assert run.returncode == 1
    assert f"but it has no {sign}: its kernel has no WireGuard" in run.stderr
    assert wait(tmp_path, sign, nodes="s-1 True k=\na-1 True k=\n", rolled_out="").returncode == 0


def switch(folder: Path, old: str, new: str, role: str = "server", noted: str = "") -> str:
    """What install.sh says of the pod network that a server has, and is to have."""
    parts = ("pod_network", "install")
    text = "".join((Step("lib", seconds=1).folder / f"{part}.sh").read_text() for part in parts)
    (folder / "db" / "etcd" / "member").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(old)
    text = text.replace("    put_in_place_and_run\n", "    echo went on\n    exit 0\n")
    script = folder / "install.sh"
    script.write_text(text)
    lib = folder / "lib.sh"
    (folder / "k3s").write_text(f"#!/bin/sh\necho {noted}\n")
    (folder / "k3s").chmod(0o755)
    lib.write_text(
        LIB.read_text()
        .replace("/etc/rancher/k3s/config.yaml", f"{folder}/config.yaml")
        .replace("/usr/local/bin/k3s", f"{folder}/k3s")
        .replace("/var/lib/rancher/k3s/server", str(folder))
    )
    run = subprocess.run(
        ["sh", "-s", "--", "create"],
        input=compose(
            [lib, script], {"NODE": "s-1", "STEP": "install", "ROLE": role, "CONFIG": new}
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


NONE, OURS = "token: x\nflannel-backend: none\n", "token: x\n"


def test_the_network_under_pods_that_run_is_not_changed(tmp_path: Path) -> None:
    assert "connected by a network plugin, not by flannel" in switch(tmp_path, NONE, OURS)
    assert "connected by flannel, not by a network plugin" in switch(tmp_path, OURS, NONE)


def test_kube_proxy_is_kept_where_the_plugin_that_is_there_does_not_take_its_place(
    tmp_path: Path,
) -> None:
    without = f"{NONE}disable-kube-proxy: true\n"
    said = switch(tmp_path, NONE, without, noted="calico")
    assert "connected by calico, beside which kube-proxy serves Services" in said
    for noted in ("cilium", ""):
        assert switch(tmp_path, NONE, without, noted=noted) == "went on\n"


@pytest.mark.parametrize(
    ("old", "new", "role"),
    [
        (NONE, NONE, "server"),
        (OURS, f"{OURS}flannel-backend: wireguard-native\n", "server"),
        # Agents are told by their servers.
        (NONE, OURS, "agent"),
    ],
)
def test_what_leaves_it_as_it_is_goes_on(tmp_path: Path, old: str, new: str, role: str) -> None:
    assert switch(tmp_path, old, new, role) == "went on\n"
