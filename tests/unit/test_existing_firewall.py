"""The table that each existing host gets, and how a cluster with such hosts is registered."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from components import firewall
from components.platforms.existing import nftables
from components.platforms.existing.nftables import Admission
from tests.unit.program import STEPS, run_stack
from tests.unit.recorder import Recording
from tests.unit.test_existing_settings import BARN, OWN, SERVER, SHED, host_key

COMMAND = "command:remote:Command"
API = Admission(name="api", protocol="tcp", ports="6443", sources=("10.0.0.1", "10.0.0.0/8"))


def table(*admissions: Admission) -> str:
    return nftables.table("k3s-x", admissions, ssh_port=22)


def chain(text: str, name: str) -> list[str]:
    """The rules of one chain."""
    body = re.search(rf"chain {name} {{\n(.*?)\n\t}}", text, re.S)
    assert body
    return [line.strip() for line in body[1].splitlines()]


def dropped(text: str, protocol: str) -> str:
    (line,) = [x for x in chain(text, "input") if x.startswith(f"{protocol} dport") and "drop" in x]
    return line


def test_all_ports_between_nodes_are_closed_whatever_was_chosen() -> None:
    tcp, udp = dropped(table(), "tcp"), dropped(table(), "udp")
    assert (
        tcp == "tcp dport { 179, 2379-2380, 4240, 4244, 5001, 5473, 6443, 7946, 9100, 10250, "
        "10256 } drop"
    )
    assert udp == "udp dport { 4789, 7946, 8472, 51820, 51821, 51871 } drop"


def test_every_port_of_the_firewalls_table_is_closed_or_the_internets_or_sshs() -> None:
    text = table()
    for entry in firewall.TABLE:
        row = entry.row
        if row.protocol == "icmp" or row.source == "internet" or row.name == "ssh":
            continue
        where = "published" if row.name == "node-ports" else "input"
        rules = [x for x in chain(text, where) if "drop" in x and row.protocol in x]
        assert any(re.search(rf"\b{row.ports}\b", rule) for rule in rules), row


def test_ssh_and_what_is_anybodys_are_never_closed() -> None:
    text = nftables.table("k3s-x", [], ssh_port=10250)
    rules = chain(text, "input")
    assert rules.index('tcp dport 10250 accept comment "ssh"') < rules.index(dropped(text, "tcp"))
    assert not re.search(r"\b(22|80|443)\b", dropped(text, "tcp"))


def test_a_source_is_let_in_before_all_others_are_kept_out() -> None:
    rules = chain(table(API), "input")
    let_in = 'ip saddr { 10.0.0.0/8 } tcp dport 6443 accept comment "api"'
    assert rules.index(let_in) < rules.index(dropped(table(), "tcp"))


@pytest.mark.parametrize(
    ("sources", "matches"),
    [
        (("0.0.0.0/0",), ["meta nfproto ipv4"]),
        (("0.0.0.0/0", "::/0"), ["meta nfproto ipv4", "meta nfproto ipv6"]),
        (("10.0.0.1", "2001:db8::/32"), ["ip saddr { 10.0.0.1 }", "ip6 saddr { 2001:db8::/32 }"]),
        (("10.0.0.0/25", "10.0.0.128/25"), ["ip saddr { 10.0.0.0/24 }"]),
        ((), []),
    ],
)
def test_sources_are_written_as_nft_takes_them(
    sources: tuple[str, ...], matches: list[str]
) -> None:
    text = table(Admission(name="api", protocol="tcp", ports="6443", sources=sources))
    found = [x for x in chain(text, "input") if 'comment "api"' in x]
    assert found == [f'{match} tcp dport 6443 accept comment "api"' for match in matches]


@pytest.mark.skipif(not shutil.which("nft"), reason="needs nft")
def test_nft_takes_the_table() -> None:
    every = [
        Admission(
            name=row.name, protocol=row.protocol, ports=row.ports, sources=("10.0.0.1", "::/0")
        )
        for row in (entry.row for entry in firewall.TABLE)
        if row.protocol != "icmp"
    ]
    check = ["unshare", "--net", "--map-root-user", "nft", "--check", "--file", "-"]
    done = subprocess.run(check, input=table(*every), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# The hybrid stack, and a cluster of two hosts in one network


@pytest.fixture(scope="module")
def hybrid() -> Recording:
    return run_stack("hybrid")


def own_hosts() -> Mapping[str, Any]:
    return OWN | {
        "groups": {"server": SERVER, "agent": {"role": "agent", "nodes": ["barn"]}},
        "existing": {
            "hosts": {
                "shed": SHED | {"privateAddress": "10.9.0.1", "user": "me", "port": 2222},
                "barn": BARN
                | {
                    "privateAddress": "10.9.0.2",
                    "zone": "cellar",
                    "arch": "arm64",
                    "jump": {"address": "bastion.example", "user": "hop", "hostKey": host_key(9)},
                },
            }
        },
    }


@pytest.fixture(scope="module")
def own() -> Recording:
    return run_stack("hybrid", own_hosts())


def stdin(recording: Recording, name: str) -> str:
    return recording.resources[name].inputs["stdin"]


def test_the_host_is_reached_with_the_given_key_and_its_own(own: Recording) -> None:
    connection = own.resources["hybrid-agent-barn-install"].inputs["connection"]
    assert (connection["host"], connection["hostKey"]) == ("192.0.2.8", host_key(2))
    assert connection["privateKey"] == "PRIVATE given"
    proxy = connection["proxy"]
    assert (proxy["host"], proxy["user"]) == ("bastion.example", "hop")
    assert (proxy["hostKey"], proxy["privateKey"]) == (host_key(9), "PRIVATE given")
    assert not any("operator-key" in name for name in own.resources)
    assert "PRIVATE given" not in str([r.inputs.get("stdin") for r in own.of_type(COMMAND)])


def test_a_user_who_is_not_root_works_through_sudo(own: Recording) -> None:
    command = own.resources["hybrid-server-shed-host"]
    assert command.inputs["create"].startswith("sudo -n timeout -k 10 ")
    assert command.inputs["connection"]["port"] == 2222
    assert 'tcp dport 2222 accept comment "ssh"' in stdin(own, "hybrid-server-shed-host")


def test_k3s_is_told_the_hosts_own_addresses_and_zone(own: Recording) -> None:
    text = stdin(own, "hybrid-agent-barn-install")
    assert "node-ip: 10.9.0.2\n" in text
    assert "node-external-ip: 192.0.2.8\n" in text
    assert "topology.kubernetes.io/zone=cellar" in text
    assert "server: https://10.9.0.1:6443" in text
    assert "k3s-arm64" in stdin(own, "hybrid-agent-barn-prepare")
    assert own.outputs["apiEndpoint"] == "https://192.0.2.7:6443"


def test_neighbours_are_let_in_by_their_private_addresses(own: Recording) -> None:
    text = stdin(own, "hybrid-server-shed-host")
    assert 'ip saddr { 10.9.0.2 } tcp dport 10250 accept comment "kubelet"' in text
    assert 'ip saddr { 10.9.0.2 } udp dport 8472 accept comment "vxlan"' in text
    assert 'ip saddr { 203.0.113.0/24 } tcp dport 6443 accept comment "api"' in text
    # kubectl's way in is the first server's alone.
    assert "203.0.113.0/24" not in stdin(own, "hybrid-agent-barn-host")


def test_peers_elsewhere_are_let_in_by_exactly_their_public_addresses(hybrid: Recording) -> None:
    text = stdin(hybrid, "hybrid-home-shed-host")
    (wireguard,) = [
        x for x in chain(text, "input") if 'comment "wireguard-public"' in x and "ip saddr" in x
    ]
    named = set(re.findall(r"[\d.]+(?:/\d+)?", wireguard.split("{")[1].split("}")[0]))
    others = {
        address
        for node in hybrid.outputs["nodes"]
        for address in node["addresses"]["public"]
        if node["name"] != "hybrid-home-shed"
    }
    assert named >= others
    assert "192.0.2.7" not in named
    # Over the internet, nothing but the tunnel: the kubelet is asked through it.
    assert 'comment "kubelet"' not in text
    assert 'comment "api"' not in text


def test_clouds_let_the_host_in_by_its_address(hybrid: Recording) -> None:
    sources = [
        str(r.inputs) for r in hybrid.resources.values() if r.type.startswith(("aws:", "digital"))
    ]
    assert any("192.0.2.7/32" in text for text in sources)


def test_k3s_starts_only_where_the_ports_are_closed_and_goes_before_they_open(
    own: Recording,
) -> None:
    for step in ("hybrid-bootstrap", "hybrid-server-shed-install", "hybrid-agent-barn-install"):
        assert {"hybrid-server-shed-firewall", "hybrid-agent-barn-firewall"} <= own.resources[
            step
        ].dependencies


def test_a_firewall_is_kept_by_a_connection_that_comes_after_it(own: Recording) -> None:
    loaded, kept = (own.resources[f"hybrid-server-shed-{step}"] for step in ("host", "firewall"))
    assert loaded.name in kept.dependencies
    assert kept.inputs["connection"] == loaded.inputs["connection"]
    # What changes the one changes the other.
    (rules,) = re.findall(r"^RULES='[^']*'", stdin(own, loaded.name), re.MULTILINE)
    assert rules in stdin(own, kept.name)
    assert "delete" not in kept.inputs


def test_nothing_takes_the_host_for_one_that_goes_with_the_stack(own: Recording) -> None:
    command = own.resources["hybrid-agent-barn-host"]
    assert not command.request.deletedWith
    assert "triggers" not in command.inputs
    assert command.inputs["delete"].endswith("-- delete host:hybrid-agent-barn")


def test_another_host_key_is_another_machine(own: Recording) -> None:
    identity = own.resources["hybrid-agent-barn-identity"]
    assert identity.inputs["keepers"] == {"hostKey": host_key(2)}
    assert identity.request.deleteBeforeReplace
    for step in STEPS:
        triggers = own.resources[f"hybrid-agent-barn-{step}"].inputs["triggers"]
        assert triggers == [identity.outputs["hex"]]
    leaving = own.resources["hybrid-agent-barn-leaving"]
    assert leaving.request.deletedWith.endswith("::hybrid-server-shed-identity")


def test_a_host_that_comes_changes_only_its_neighbours_tables(own: Recording) -> None:
    alone = run_stack("hybrid", OWN)
    new = own.resources.keys() - alone.resources.keys()
    assert {name for name in new if own.resources[name].type.startswith("command:")} == {
        f"hybrid-agent-barn-{step}"
        for step in ("clean", "host", "firewall", *STEPS)
        # And the user whom shed has in these settings alone.
    } | {"hybrid-server-shed-sudo"}


def test_a_user_who_is_not_root_is_looked_at_before_every_step(own: Recording) -> None:
    looked = own.resources["hybrid-server-shed-sudo"]
    assert looked.inputs["create"].startswith("timeout ")
    for step in ("clean", "host", "firewall", "prepare", "install"):
        assert "hybrid-server-shed-sudo" in own.resources[f"hybrid-server-shed-{step}"].dependencies
    assert "hybrid-agent-barn-sudo" not in own.resources


def test_a_host_is_cleaned_when_that_is_newly_asked_and_before_anything_else_is_done_on_it(
    own: Recording,
) -> None:
    clean = own.resources["hybrid-agent-barn-clean"]
    assert {"create", "delete", "triggers"} & clean.inputs.keys() == set()
    assert clean.inputs["update"].endswith("-- update clean:hybrid-agent-barn")
    assert "hybrid-agent-barn-identity" in clean.dependencies
    for step in ("host", "prepare", "install"):
        assert "hybrid-agent-barn-clean" in own.resources[f"hybrid-agent-barn-{step}"].dependencies


PORCH = {"address": "203.0.113.40", "privateAddress": "10.9.0.4", "hostKey": host_key(4)}


MILL = {"address": "203.0.113.41", "privateAddress": "10.9.0.6", "hostKey": host_key(5)}


def with_registration(given: Mapping[str, Any], **groups: Any) -> Recording:
    settings = own_hosts()
    hosts = settings["existing"]["hosts"] | {"porch": PORCH, "mill": MILL}
    existing = {"hosts": hosts, "registration": given}
    return run_stack(
        "hybrid", settings | {"existing": existing, "groups": settings["groups"] | groups}
    )


def table_of(recording: Recording, host: str) -> list[str]:
    """Rules of a host's table that let something in."""
    text = stdin(recording, f"{host}-host")
    return [line.strip() for line in text.splitlines() if "saddr" in line and "accept" in line]


def test_a_further_host_stands_before_the_servers_and_nothing_else_is_open_on_it() -> None:
    made = with_registration({"host": "porch"})
    assert made.outputs["apiEndpoint"] == "https://203.0.113.40:6443"
    for step in ("hybrid-server-shed-install", "hybrid-agent-barn-install"):
        assert "server: https://10.9.0.4:6443" in stdin(made, step)
    haproxy = made.resources["hybrid-registration-haproxy"]
    assert "server hybrid-server-shed 10.9.0.1:6443\n" in haproxy.inputs["stdin"]
    assert "hybrid-registration-firewall" in haproxy.dependencies
    assert "hybrid-registration-haproxy" in made.resources["hybrid-bootstrap"].dependencies
    opened = table_of(made, "hybrid-registration")
    assert opened
    assert [line for line in opened if " 6443 " not in line] == []
    assert any("10.9.0.4" in line for line in table_of(made, "hybrid-server-shed"))
    assert not any("203.0.113.4/" in line for line in table_of(made, "hybrid-server-shed"))


def test_an_agents_host_may_stand_before_the_servers_too() -> None:
    agents = {"role": "agent", "nodes": ["barn", "porch"]}
    made = with_registration({"host": "porch"}, agent=agents)
    assert "hybrid-registration-host" not in made.resources
    connection = made.resources["hybrid-registration-haproxy"].inputs["connection"]
    assert connection["host"] == "203.0.113.40"
    assert "server: https://10.9.0.4:6443" in stdin(made, "hybrid-agent-porch-install")
    opened = table_of(made, "hybrid-agent-porch")
    assert {port for port in ("6443", "10250") if any(port in line for line in opened)} == {
        "6443",
        "10250",
    }


def test_a_given_address_leads_to_the_servers_and_its_balancer_is_let_in() -> None:
    made = with_registration({"address": "k3s.company.tld", "from": ["10.9.0.99/32"]})
    assert made.outputs["apiEndpoint"] == "https://k3s.company.tld:6443"
    assert "server: https://k3s.company.tld:6443" in stdin(made, "hybrid-agent-barn-install")
    assert "hybrid-registration-haproxy" not in made.resources
    assert any("10.9.0.99" in line for line in table_of(made, "hybrid-server-shed"))
    assert not any("10.9.0.99" in line for line in table_of(made, "hybrid-agent-barn"))


def test_kube_vips_objects_are_on_each_server_before_k3s_and_nothing_waits_for_its_address() -> (
    None
):
    made = with_registration({"kubeVip": {"address": "10.9.0.5", "interface": "eth1"}})
    assert made.outputs["apiEndpoint"] == "https://10.9.0.5:6443"
    placed, bootstrap = (
        made.resources["hybrid-server-shed-kube-vip"],
        made.resources["hybrid-bootstrap"],
    )
    assert "hybrid-server-shed-firewall" in placed.dependencies
    assert placed.name in bootstrap.dependencies
    assert "server: https://" not in bootstrap.inputs["stdin"]
    install = stdin(made, "hybrid-server-shed-install")
    assert "server: https://10.9.0.5:6443" in install
    assert "tls-san:\n- 10.9.0.5\n" in install
    # Whoever joins is let in at the server that has the address.
    assert any("10.9.0.2" in line for line in table_of(made, "hybrid-server-shed"))
    assert "hybrid-agent-barn-kube-vip" not in made.resources
    assert "server: https://10.9.0.5:6443" in stdin(made, "hybrid-agent-barn-install")


def test_every_server_has_kube_vips_objects() -> None:
    made = with_registration(
        {"kubeVip": {"address": "10.9.0.5", "interface": "eth1"}},
        server=SERVER | {"nodes": ["shed", "barn", "porch"]},
        agent={"role": "agent", "nodes": ["mill"]},
    )
    placed = {name for name in made.resources if name.endswith("-kube-vip")}
    assert placed == {f"hybrid-server-{name}-kube-vip" for name in ("shed", "barn", "porch")}
