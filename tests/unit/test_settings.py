"""Wrong settings: each is told, all are told together, and nothing is registered before."""

import json

import pulumi
import pytest

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev
from tests.unit.stackfiles import raw

K3S = {"version": "v1.35.6+k3s1"}
SERVER = {"role": "server", "count": 1}


def lines(overrides: dict[str, object], stack: str = "dev") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw("dev", overrides))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_the_dev_stack_file_is_right() -> None:
    settings = parse("dev", raw("dev"))
    assert settings.groups["agent"].node_names("dev", "agent") == ["dev-agent-1", "dev-agent-2"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            {"platform": "proxmox"},
            "platform: proxmox — input should be 'local', 'digitalocean', 'aws' or 'existing' — ",
        ),
        ({"platform": None}, "platform: nothing — it is needed — write local (containers on this"),
        ({"grups": {}}, "grups: {} — there is no such setting — write groups"),
        (
            {"groups": {"server": {"role": "server", "cont": 1}}},
            "groups.server.cont: 1 — there is no such setting — write count",
        ),
        (
            {"groups": {"server": {"role": "master", "count": 1}}},
            "groups.server.role: master — input should be 'server' or 'agent' — write server",
        ),
        (
            {"groups": {"server": {"role": "server", "count": 0}}},
            "groups.server.count: 0 — input should be greater than or equal to 1 — write how many",
        ),
        (
            {"groups": {"agent": {"role": "agent", "count": 1}}},
            "groups: no group with role: server — a cluster starts from a server — add server:",
        ),
        (
            {"groups": {"server": {"role": "server", "count": 2}}},
            "groups: 2 servers — etcd keeps its quorum no better with an even number",
        ),
        (
            {"groups": {"server": SERVER, "agent": {"role": "agent"}}},
            "groups.agent: neither count nor nodes — it does not say which nodes there are — write",
        ),
        (
            {"groups": {"server": SERVER | {"nodes": ["a"]}}},
            "groups.server: count 1 and nodes ['a'] — the two can disagree — keep one of them",
        ),
        (
            {"groups": {"server": {"role": "server", "nodes": ["a", "a", "b"]}}},
            "groups.server.nodes: ['a', 'a', 'b'] — a name stands there twice — name each",
        ),
        (
            {"groups": {"Server": SERVER}},
            "groups.Server: dev-Server-1 — a node's name is its host name — use a-z, 0-9 and -",
        ),
        (
            {
                "groups": {
                    "a": SERVER,
                    "a-b": {"role": "agent", "nodes": ["1"]},
                    "b": {"role": "agent", "nodes": ["1"]},
                    "a-b-1": {"role": "agent", "nodes": ["x"]},
                    "a-b2": {"role": "agent", "count": 1},
                    "a-b-1-x": {"role": "agent", "nodes": ["y"]},
                    "a-b-1-x-y": {"role": "agent", "nodes": ["z"]},
                    "a-b-1-x-y-z": {"role": "agent", "nodes": ["1"]},
                    "a-b-1-x-y-z-1": {"role": "agent", "nodes": ["1"]},
                    "c": {"role": "agent", "nodes": ["d-1"]},
                    "c-d": {"role": "agent", "nodes": ["1"]},
                }
            },
            "groups.c-d: dev-c-d-1 — group c has a node of that name — rename one of the groups",
        ),
        (
            {"groups": {"server": SERVER | {"labels": {"kubernetes.io/role": "x"}}}},
            "groups.server.labels: kubernetes.io/role — the kubelet may not set labels under",
        ),
        (
            {"groups": {"server": SERVER | {"labels": {"disk": "so fast"}}}},
            "groups.server.labels.disk: so fast — not a label's value — write at most 63",
        ),
        (
            {"groups": {"server": SERVER | {"taints": ["db"]}}},
            "groups.server.taints: db — not a taint — write KEY=VALUE:NoSchedule",
        ),
        (
            {"k3s": K3S | {"version": "1.35"}},
            "k3s.version: 1.35 — not the name of a k3s release — write it as the release page has",
        ),
        (
            {"local": {"privateCidr": "10.120.7.0/16"}},
            "local.privateCidr: 10.120.7.0/16 — it has bits set behind its prefix, which a network "
            "has not: 10.120.0.0/16 is one — write addresses of the private network, a CIDR",
        ),
        (
            {"k3s": K3S | {"clusterCidr": "10.42.0.0/33"}},
            "k3s.clusterCidr: 10.42.0.0/33 — input is not a valid IPv4 network — write addresses",
        ),
        (
            {"k3s": K3S | {"serviceCidr": "10.42.8.0/22"}},
            "k3s.serviceCidr: 10.42.8.0/22 — it overlaps k3s.clusterCidr 10.42.0.0/16",
        ),
        (
            {"k3s": K3S | {"clusterCidr": "10.42.0.0/23"}},
            "k3s.clusterCidr: 10.42.0.0/23 — each node takes a /24 of it: room for 1 nodes, not 3",
        ),
        (
            {"k3s": K3S | {"serviceCidr": "10.43.0.0/29"}},
            "k3s.serviceCidr: 10.43.0.0/29 — cluster DNS is its tenth address",
        ),
        (
            {"k3s": K3S | {"artifacts": {"from": "mirror"}}},
            "k3s.artifacts.url: nothing — artifacts from a mirror need it — add url:",
        ),
        (
            {"k3s": K3S | {"artifacts": {"from": "mirror", "url": "http://mirror.example"}}},
            "k3s.artifacts.url: http://mirror.example — checksums fetched in clear over",
        ),
        (
            {"k3s": K3S | {"artifacts": {"folder": "/srv/k3s"}}},
            "k3s.artifacts.folder: /srv/k3s — artifacts come from: release, so it would do nothing",
        ),
        (
            {"k3s": K3S | {"artifacts": {"from": "folder", "folder": "/no/such"}}},
            "k3s.artifacts.folder: /no/such — there is no such folder — write the path of a folder",
        ),
        (
            {"local": {"privateCidr": "10.43.0.0/16"}},
            "local.privateCidr: 10.43.0.0/16 — it overlaps k3s.serviceCidr 10.43.0.0/16",
        ),
        (
            {"local": {"publicCidr": "10.120.0.0/16"}},
            "local.publicCidr: 10.120.0.0/16 — it overlaps local.privateCidr 10.120.0.0/16",
        ),
        (
            {"local": {"publicCidr": "10.9.0.0/25"}},
            "local.publicCidr: 10.9.0.0/25 — nodes find no address of their own in less than a /24",
        ),
        ({"local": {"memory": "2GB"}}, "local.memory: 2GB — string should match pattern"),
        ({"groups": "{"}, "groups: { — not JSON"),
    ],
)
def test_a_wrong_setting_is_answered_with_what_to_write(
    overrides: dict[str, object], told: str
) -> None:
    assert any(line.startswith(told) for line in lines(overrides)), lines(overrides)


def test_every_line_says_what_was_given_why_it_cannot_work_and_what_to_write() -> None:
    for line in lines({"platform": "x", "grups": {}, "local": {"memory": "2GB", "cidr": 1}}):
        key, rest = line.split(": ", 1)
        assert key
        assert len(rest.split(" — ")) == 3, line


def test_all_mistakes_are_told_together() -> None:
    told = lines({"platform": "x", "grups": {}, "local": {"memory": "2GB", "cidr": 1}})
    assert {line.split(":")[0] for line in told} == {
        "platform",
        "grups",
        "local.memory",
        "local.cidr",
    }


def test_mistakes_within_fields_do_not_hide_those_between_fields() -> None:
    told = lines({"groups": {"server": {"role": "server", "count": 2}}, "local": {"memory": "2GB"}})
    assert [line.split(":")[0] for line in told] == ["local.memory", "groups"]


def test_two_nodes_whose_names_give_one_address_are_told_apart() -> None:
    nodes = {"server": SERVER, "agent": {"role": "agent", "count": 100}}
    told = lines({"groups": nodes, "local": {"privateCidr": "10.9.0.0/24"}})
    assert any("would both be 10.9.0." in line for line in told)


def test_a_release_folder_that_is_not_whole_is_told_before_anything_is_made(tmp_path) -> None:
    (tmp_path / "k3s").write_text("binary")
    k3s = K3S | {"artifacts": {"from": "folder", "folder": str(tmp_path)}}
    assert (
        "it lacks k3s-airgap-images-amd64.tar.zst, sha256sum-amd64.txt, install.sh"
        in (lines({"k3s": k3s})[0])
    )


def test_the_program_ends_before_it_registers_anything() -> None:
    with pytest.raises(pulumi.RunError, match="stack dev: 1 setting cannot work:"):
        run_dev({"platform": "x"})


def test_values_that_are_not_objects_are_taken_as_text() -> None:
    assert json.loads(raw("dev")["groups"])["server"] == {"role": "server", "count": 1}
    assert raw("dev")["platform"] == "local"
