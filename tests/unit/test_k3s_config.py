"""k3s's configuration of a node, from plain values."""

from ipaddress import IPv6Network

import yaml

from components.k3s.config import (
    NodeFacts,
    ServerFacts,
    agent_config,
    bootstrap_config,
    dump,
    full_token,
    join,
    labels_config,
    server_config,
)
from components.k3s.settings import K3sSettings

SERVER = NodeFacts(name="dev-server-1", role="server", private=["10.0.0.2"], public=["203.0.113.2"])
AGENT = NodeFacts(
    name="dev-agent-1",
    role="agent",
    private=["10.0.0.3", "fd00::3"],
    public=["203.0.113.3", "2001:db8::3"],
)
SHARED = ServerFacts(agent_token="agents", tls_san=["203.0.113.2", "10.0.0.2"])
SETTINGS = K3sSettings(version="v1.35.6+k3s1", disable=("traefik",), tls_san=("api.example",))
TOKEN = full_token("ab" * 32, "server", "secret")


def test_the_first_member_begins_a_cluster() -> None:
    assert yaml.safe_load(dump(bootstrap_config(SERVER, SHARED, SETTINGS, "secret"))) == {
        "cluster-init": True,
        "token": "secret",
        "agent-token": "agents",
        "node-name": "dev-server-1",
        "node-ip": "10.0.0.2",
        "node-external-ip": "203.0.113.2",
        "advertise-address": "10.0.0.2",
        "tls-san": ["203.0.113.2", "10.0.0.2", "api.example"],
        "cluster-cidr": "10.42.0.0/16",
        "service-cidr": "10.43.0.0/16",
        "cluster-dns": "10.43.0.10",
        "write-kubeconfig-mode": "0600",
        "secrets-encryption": True,
        "disable": ["traefik"],
    }


def test_a_server_joins_with_the_full_token_and_is_otherwise_the_same() -> None:
    first = bootstrap_config(SERVER, SHARED, SETTINGS, "secret")
    joined = server_config(SERVER, SHARED, SETTINGS, join("10.0.0.2", TOKEN))
    assert joined["server"] == "https://10.0.0.2:6443"
    assert joined["token"] == "K10" + "ab" * 32 + "::server:secret"
    same = set(first) - {"cluster-init", "token"}
    assert {key: joined[key] for key in same} == {key: first[key] for key in same}
    assert set(joined) - same == {"server", "token"}


def test_an_agent_is_told_both_families_of_its_addresses_on_both_sides() -> None:
    assert yaml.safe_load(dump(agent_config(AGENT, join("10.0.0.2", TOKEN)))) == {
        "server": "https://10.0.0.2:6443",
        "token": TOKEN,
        "node-name": "dev-agent-1",
        "node-ip": "10.0.0.3,fd00::3",
        "node-external-ip": "203.0.113.3,2001:db8::3",
    }


def test_labels_and_taints_are_in_a_file_of_their_own_if_there_are_any() -> None:
    some = labels_config({"disk": "fast", "app": "db"}, ["dedicated=db:NoSchedule"])
    assert yaml.safe_load(dump(some)) == {
        "node-label": ["app=db", "disk=fast"],
        "node-taint": ["dedicated=db:NoSchedule"],
    }
    assert dump(labels_config({}, ())) == ""


def test_a_node_without_public_addresses_has_no_external_ip() -> None:
    hidden = NodeFacts(name="n", role="agent", private=["10.0.0.3"], public=[])
    assert "node-external-ip" not in agent_config(hidden, join("10.0.0.2", TOKEN))


def server_of(settings: K3sSettings, *, spans: bool = False) -> dict[str, object]:
    shared = ServerFacts(agent_token="agents", tls_san=["203.0.113.2"], spans=spans)
    return server_config(SERVER, shared, settings, join("10.0.0.2", TOKEN))


def test_over_several_networks_pods_meet_over_wireguard_and_external_addresses() -> None:
    config = server_of(SETTINGS, spans=True)
    assert config["flannel-backend"] == "wireguard-native"
    assert config["flannel-external-ip"] is True
    assert config["advertise-address"] == "203.0.113.2"


def test_in_one_network_wireguard_stays_on_the_private_side() -> None:
    chosen = SETTINGS.model_copy(update={"flannel_backend": "wireguard-native"})
    config = server_of(chosen)
    assert config["flannel-backend"] == "wireguard-native"
    assert "flannel-external-ip" not in config
    assert config["advertise-address"] == "10.0.0.2"


def test_without_a_pod_network_of_its_own_k3s_leaves_policies_to_the_plugin_too() -> None:
    config = server_of(SETTINGS.model_copy(update={"flannel_backend": "none"}))
    assert config["flannel-backend"] == "none"
    assert config["disable-network-policy"] is True


def test_dual_stack_names_both_families_of_pods_and_services() -> None:
    settings = K3sSettings(
        version="v1.35.6+k3s1",
        cluster_cidr_ipv6=IPv6Network("fd42::/56"),
        service_cidr_ipv6=IPv6Network("fd43::/112"),
    )
    config = server_of(settings)
    assert config["cluster-cidr"] == "10.42.0.0/16,fd42::/56"
    assert config["service-cidr"] == "10.43.0.0/16,fd43::/112"
    assert config["flannel-ipv6-masq"] is True


def test_secrets_are_in_clear_only_where_that_is_asked_for() -> None:
    assert server_of(SETTINGS)["secrets-encryption"] is True
    off = SETTINGS.model_copy(update={"secrets_encryption": False})
    assert "secrets-encryption" not in server_of(off)


def test_the_embedded_registry_is_asked_for_on_servers() -> None:
    config = server_of(SETTINGS.model_copy(update={"embedded_registry": True}))
    assert config["embedded-registry"] is True
    assert "embedded-registry" not in server_of(SETTINGS)
