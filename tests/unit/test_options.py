"""kubeletArgs and options: where they end up, and which are refused, with what to write instead."""

import pytest
import yaml

from components.groups import NodeGroup
from components.k3s import flags, options
from components.k3s.config import (
    NodeFacts,
    ServerFacts,
    agent_config,
    bootstrap_config,
    dump,
    join,
    labels_config,
    server_config,
)
from components.k3s.settings import K3sSettings
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.stackfiles import raw

VERSION = "v1.35.6+k3s1"
SHARED = ServerFacts(agent_token="agents", tls_san=["10.0.0.2"])
JOIN = join("10.0.0.2", "K10token")


def node(settings: K3sSettings, group: NodeGroup, *, external_cloud: bool = False) -> NodeFacts:
    return NodeFacts(
        name="dev-x-1",
        role=group.role,
        private=["10.0.0.2"],
        public=[],
        kubelet_args=options.kubelet_args(settings, group),
        options=options.options(settings, group),
        external_cloud=external_cloud,
        provider_id="aws:///a/i-1" if external_cloud else None,
    )


def server(settings: K3sSettings, group: NodeGroup, **facts: bool) -> dict[str, object]:
    written: dict[str, object] = yaml.safe_load(
        dump(server_config(node(settings, group, **facts), SHARED, settings, JOIN))
    )
    return written


def agent(settings: K3sSettings, group: NodeGroup, **facts: bool) -> dict[str, object]:
    written: dict[str, object] = yaml.safe_load(
        dump(agent_config(node(settings, group, **facts), JOIN))
    )
    return written


def test_a_groups_arguments_and_options_are_in_its_nodes_configuration_last() -> None:
    group = NodeGroup.model_validate(
        {
            "role": "agent",
            "count": 1,
            "kubeletArgs": ["max-pods=200"],
            "options": {"snapshotter": "native", "debug": True, "node-external-dns": ["a.example"]},
        }
    )
    config = agent(K3sSettings(version=VERSION), group)
    assert list(config)[-4:] == ["kubelet-arg", "debug", "node-external-dns", "snapshotter"]
    assert config["kubelet-arg"] == ["max-pods=200"]
    assert config["debug"] is True
    assert config["node-external-dns"] == ["a.example"]


def test_nothing_is_written_where_nothing_is_given() -> None:
    config = server(K3sSettings(version=VERSION), NodeGroup(role="server", count=1))
    assert "kubelet-arg" not in config


def test_the_clusters_are_every_nodes_and_the_servers_are_the_servers_alone() -> None:
    settings = K3sSettings(
        version=VERSION,
        kubelet_args=("max-pods=150",),
        node_options={"debug": True},
        server_options={"etcd-snapshot-retention": 9},
    )
    on_server = server(settings, NodeGroup(role="server", count=1))
    on_agent = agent(settings, NodeGroup(role="agent", count=1))
    assert (on_server["debug"], on_agent["debug"]) == (True, True)
    assert on_server["kubelet-arg"] == on_agent["kubelet-arg"] == ["max-pods=150"]
    assert on_server["etcd-snapshot-retention"] == 9
    assert "etcd-snapshot-retention" not in on_agent


def test_a_groups_own_go_before_the_clusters_name_by_name() -> None:
    settings = K3sSettings(
        version=VERSION,
        kubelet_args=("max-pods=150", "v=2"),
        node_options={"debug": True, "pause-image": "a"},
    )
    group = NodeGroup(
        role="agent", count=1, kubelet_args=("max-pods=50",), options={"debug": False}
    )
    config = agent(settings, group)
    assert config["kubelet-arg"] == ["v=2", "max-pods=50"]
    assert (config["debug"], config["pause-image"]) == (False, "a")


def test_beside_a_clouds_controller_the_programs_own_arguments_stay() -> None:
    group = NodeGroup(
        role="agent",
        count=1,
        kubelet_args=("max-pods=200",),
        options={"kube-proxy-arg": ("proxy-mode=nftables",)},
    )
    config = agent(K3sSettings(version=VERSION), group, external_cloud=True)
    assert config["kubelet-arg"] == [
        "cloud-provider=external",
        "provider-id=aws:///a/i-1",
        "max-pods=200",
    ]
    assert config["kube-proxy-arg"] == ["healthz-bind-address=0.0.0.0", "proxy-mode=nftables"]
    one = group.model_copy(update={"options": {"kube-proxy-arg": "v=4"}})
    config = agent(K3sSettings(version=VERSION), one, external_cloud=True)
    assert config["kube-proxy-arg"] == ["healthz-bind-address=0.0.0.0", "v=4"]


def test_the_order_in_which_options_are_written_makes_no_difference() -> None:
    one = NodeGroup(role="agent", count=1, options={"debug": True, "snapshotter": "native"})
    other = NodeGroup(role="agent", count=1, options={"snapshotter": "native", "debug": True})
    settings = K3sSettings(version=VERSION)
    assert dump(dict(agent(settings, one))) == dump(dict(agent(settings, other)))


def test_the_first_start_and_all_later_ones_have_the_same_options() -> None:
    settings = K3sSettings(version=VERSION, server_options={"cluster-domain": "home.arpa"})
    first = bootstrap_config(
        node(settings, NodeGroup(role="server", count=1)), SHARED, settings, "secret"
    )
    assert first["cluster-domain"] == "home.arpa"


def lines(k3s: dict[str, object], **groups: dict[str, object]) -> list[str]:
    written = {
        "k3s": {"version": VERSION, **k3s},
        "groups": {
            "server": {"role": "server", "count": 1, **groups.get("server", {})},
            "agent": {"role": "agent", "count": 1, **groups.get("agent", {})},
        },
    }
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", written))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_options_are_read_from_the_stack_file() -> None:
    group = {"role": "agent", "count": 1, "kubeletArgs": ["max-pods=200"], "options": {"v": 2}}
    groups = {"server": {"role": "server", "count": 1}, "agent": group}
    settings = parse("dev", raw("dev", {"groups": groups}))
    assert settings.groups["agent"].options == {"v": 2}
    assert settings.groups["agent"].kubelet_args == ("max-pods=200",)


@pytest.mark.parametrize(
    ("options_of_agent", "told"),
    [
        (
            {"node-ip": "10.0.0.9"},
            "groups.agent.options.node-ip: 10.0.0.9 — a node's addresses are those of its machine"
            " — leave it out (an existing host's stand in existing.hosts)",
        ),
        (
            {"node-label": ["a=b"]},
            "groups.agent.options.node-label: ('a=b',) — labels are changed in place — write labels"
            " in the group",
        ),
        (
            {"kubelet-arg": ["max-pods=200"]},
            "groups.agent.options.kubelet-arg: ('max-pods=200',) — the program has arguments of its"
            " own — write kubeletArgs",
        ),
        (
            {"kube-apiserver-arg": ["v=2"]},
            "groups.agent.options.kube-apiserver-arg: ('v=2',) — servers alone take it, and an"
            " agent that is given it does not start — write it in k3s.serverOptions, or in a group"
            " of servers",
        ),
        (
            {"protectKernelDefaults": True},
            "groups.agent.options.protectKernelDefaults: True — not the name of a flag as k3s's"
            " config.yaml has it — write protect-kernel-defaults: docs.k3s.io/cli/server,"
            " /cli/agent",
        ),
        (
            {"protect-kernel-default": True},
            "groups.agent.options.protect-kernel-default: True — k3s has no such flag — write"
            " protect-kernel-defaults",
        ),
        (
            {"vpn-auth": "name=x,joinKey=y"},
            "groups.agent.options.vpn-auth: name=x,joinKey=y — who reads the stack file could use"
            " it — write vpn-auth-file: a file that is on the node",
        ),
        (
            {"resolv-conf": {"a": "b"}},
            "groups.agent.options.resolv-conf: {'a': 'b'} — neither a text, a number, true or"
            " false, nor a list of these — write further flags of k3s",
        ),
    ],
)
def test_what_cannot_be_an_option_is_told_with_where_it_is_written(
    options_of_agent: dict[str, object], told: str
) -> None:
    (line,) = lines({}, agent={"options": options_of_agent})
    assert line.startswith(told)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--max-pods=200", "not an argument of the kubelet as k3s takes it — write NAME=VALUE"),
        ("node-labels=a=b", "labels are changed in place — write labels in the group"),
        ("cloud-provider=external", "it is a setting — write k3s.cloudController: external, or"),
        ("node-ip=::", "a node's addresses are those of its machine — leave it out"),
    ],
)
def test_arguments_that_the_program_gives_the_kubelet_are_refused(argument: str, told: str) -> None:
    (line,) = lines({}, agent={"kubeletArgs": [argument]})
    assert line.startswith(f"groups.agent.kubeletArgs: {argument} — {told}")
    (line,) = lines({"kubeletArgs": [argument]})
    assert line.startswith(f"k3s.kubeletArgs: {argument} — {told}")


def test_servers_flags_are_no_options_of_every_node() -> None:
    (line,) = lines({"nodeOptions": {"etcd-snapshot-retention": 9}})
    assert line.startswith(
        "k3s.nodeOptions.etcd-snapshot-retention: 9 — servers alone take it, and an agent that is"
    )


def test_what_all_servers_must_have_alike_is_no_groups() -> None:
    (line,) = lines({}, server={"options": {"cluster-domain": "home.arpa"}})
    assert line == (
        "groups.server.options.cluster-domain: home.arpa — all servers must have the same, or"
        " further ones cannot join — write it in k3s.serverOptions"
    )


def test_beside_another_network_plugin_k3ss_policies_are_off_already() -> None:
    given = {"flannelBackend": "none", "serverOptions": {"disable-network-policy": False}}
    (line,) = lines(given)
    assert line.startswith("k3s.serverOptions.disable-network-policy: False — beside a network")


def test_flags_of_a_newer_release_are_handed_on() -> None:
    found = list(
        options.problems(
            K3sSettings(version=VERSION, server_options={"quantum-datastore": True}), {}
        )
    )
    assert found == []


def test_everything_that_the_program_itself_writes_is_no_option() -> None:
    """But the two that have lists, to which options add, and what is told of in another rule."""
    everything = K3sSettings.model_validate(
        {
            "version": VERSION,
            "disable": ["traefik"],
            "clusterCidrIpv6": "fd42::/56",
            "serviceCidrIpv6": "fd43::/112",
            "kubeProxy": False,
            "embeddedRegistry": True,
        }
    )
    facts = NodeFacts(
        name="n",
        role="server",
        private=["10.0.0.2"],
        public=["203.0.113.2"],
        external_cloud=True,
        provider_id="x",
    )
    shared = ServerFacts(agent_token="agents", tls_san=["10.0.0.2"], spans=True)
    none = everything.model_copy(update={"flannel_backend": "none"})
    written = {
        *bootstrap_config(facts, shared, everything, "secret"),
        *server_config(facts, shared, none, JOIN),
        *labels_config({"a": "b"}, ["a=b:NoSchedule"]),
        "flannel-iface",  # by service.sh
    }
    apart = {"kube-proxy-arg", "disable-network-policy"}
    assert written - apart <= set(flags.ELSEWHERE)


def test_the_tables_of_flags_do_not_overlap_and_know_what_they_speak_of() -> None:
    assert not flags.EVERYWHERE & flags.SERVERS
    assert set(flags.ELSEWHERE) <= flags.EVERYWHERE | flags.SERVERS
    assert flags.CRITICAL <= flags.SERVERS
