"""Rook: what Ceph is told to store where, what goes first when it ends, and what is refused."""

import json
from itertools import pairwise
from typing import Any

import pytest

from components.addons.rook_settings import RookSettings
from components.addons.rook_values import (
    cluster_values,
    csi_values,
    operator_values,
    storage_classes,
)
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev, run_stack
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw

KEY = "addons.rook"
LOOPS = {"dev-agent-1": ["/dev/loop10"], "dev-agent-2": ["/dev/loop11", "/dev/loop12"]}
SMALL = {"loopDevices": LOOPS, "replicas": 2, "mons": 3}
ALL = {"filesystem": True, "objectStore": True, "nfs": True}
CHARTS = ("rook-ceph", "ceph-csi-drivers", "rook-ceph-cluster")


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run_dev({"addons": {"rook": {**SMALL, **ALL}}})


@pytest.fixture(scope="module")
def destroying() -> Recording:
    return run_dev({"addons": {"rook": {**SMALL, "destroyData": True}}})


def groups(**agent: object) -> dict[str, object]:
    servers = {"role": "server", "count": 1, "size": "medium"}
    return {"server": servers, "agent": {"role": "agent", "count": 3, "size": "medium", **agent}}


def told(**settings: object) -> dict[str, Any]:
    return cluster_values(RookSettings.model_validate(settings), {"n": ["/dev/sdb"]})


def lines(stack: str, rook: dict[str, object], **other: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw(stack, {"addons": {"rook": rook}, **other}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_operator_drivers_and_cluster_are_installed_one_after_the_other(dev: Recording) -> None:
    for before, after in pairwise(CHARTS):
        assert f"dev-{before}" in dev.resources[f"dev-{after}"].dependencies


@pytest.mark.parametrize(
    ("chart", "version", "repository"),
    [
        ("rook-ceph", "v1.20.6", "https://charts.rook.io/release"),
        ("ceph-csi-drivers", "1.0.4", "https://ceph.github.io/ceph-csi-operator"),
        ("rook-ceph-cluster", "v1.20.6", "https://charts.rook.io/release"),
    ],
)
def test_each_chart_is_pinned(dev: Recording, chart: str, version: str, repository: str) -> None:
    inputs = dev.resources[f"dev-{chart}"].inputs
    assert (inputs["chart"], inputs["version"]) == (chart, version)
    assert inputs["repositoryOpts"] == {"repo": repository}


def test_ceph_gets_the_disks_that_are_named_and_no_others(dev: Recording) -> None:
    storage = dev.resources["dev-rook-ceph-cluster"].inputs["values"]["cephClusterSpec"]["storage"]
    assert storage == {
        "useAllNodes": False,
        "useAllDevices": False,
        "nodes": [
            {"name": "dev-agent-1", "devices": [{"name": "/dev/loop10"}]},
            {"name": "dev-agent-2", "devices": [{"name": "/dev/loop11"}, {"name": "/dev/loop12"}]},
        ],
    }
    assert "DISKS=3\n" in dev.resources["dev-ceph"].inputs["stdin"]
    assert dev.resources["dev-rook-ceph"].inputs["values"] == {"allowLoopDevices": True}


def test_raw_disks_of_machines_are_called_by_names_that_stay() -> None:
    aws = run_stack("production", {"addons": {"rook": {}}, "groups": production_groups()})
    spec = aws.resources["production-rook-ceph-cluster"].inputs["values"]["cephClusterSpec"]
    nodes = spec["storage"]["nodes"]
    assert [node["name"] for node in nodes] == [f"production-agent-{n}" for n in (1, 2, 3)]
    for node in nodes:
        assert [d["name"].startswith("/dev/disk/by-id/") for d in node["devices"]] == [True]


def production_groups() -> dict[str, object]:
    zones = ["a", "b", "c"]
    return {
        "server": {"role": "server", "count": 3, "size": "medium", "zones": zones},
        "agent": {"role": "agent", "count": 3, "size": "medium", "zones": zones, "disks": [100]},
    }


def test_the_last_to_come_is_the_first_to_go(dev: Recording, destroying: Recording) -> None:
    wanted = {*(f"dev-{chart}" for chart in CHARTS), "dev-ceph-nfs-server", "dev-ceph-nfs"}
    assert wanted <= dev.resources["dev-ceph"].dependencies
    assert {f"dev-{chart}" for chart in CHARTS} <= destroying.resources["dev-ceph"].dependencies


def test_without_destroy_data_all_stays_where_it_is(dev: Recording) -> None:
    for name in (*CHARTS, "rook-ceph-namespace", "ceph-nfs-server", "ceph-nfs"):
        assert dev.resources[f"dev-{name}"].request.retainOnDelete, name
    step = dev.resources["dev-ceph"]
    assert "DESTROY=false\n" in step.inputs["stdin"]
    assert step.request.deletedWith.endswith("k3s:cluster:K3s::dev")


def test_with_destroy_data_the_data_goes_before_the_cluster(destroying: Recording) -> None:
    for name in (*CHARTS, "rook-ceph-namespace"):
        assert not destroying.resources[f"dev-{name}"].request.retainOnDelete, name
    step = destroying.resources["dev-ceph"]
    assert "DESTROY=true\n" in step.inputs["stdin"]
    assert step.inputs["delete"]
    assert not step.request.deletedWith


def test_rook_keeps_configuring_until_the_end(destroying: Recording) -> None:
    """Once the confirmation is written Rook configures nothing any more."""
    assert "yes-really" not in str(destroying.resources["dev-rook-ceph-cluster"].inputs)
    assert "yes-really-destroy-data" in destroying.resources["dev-ceph"].inputs["stdin"]


def test_a_failed_install_never_takes_the_cluster_s_objects_back(dev: Recording) -> None:
    assert dev.resources["dev-rook-ceph"].inputs["atomic"] is True
    assert dev.resources["dev-rook-ceph-cluster"].inputs["atomic"] is False


def test_nfs_exports_the_filesystem(dev: Recording) -> None:
    found = dev.resources["dev-ceph-nfs"].inputs
    assert found["provisioner"] == "rook-ceph.nfs.csi.ceph.com"
    assert found["parameters"]["fsName"] == "ceph-filesystem"
    assert found["parameters"]["server"] == "rook-ceph-nfs-ceph-nfs-a"


def test_each_store_is_a_choice_with_a_storage_class() -> None:
    everything = RookSettings.model_validate(ALL)
    assert storage_classes(everything) == {
        "block": "ceph-block",
        "filesystem": "ceph-filesystem",
        "objectStore": "ceph-bucket",
        "nfs": "ceph-nfs",
    }
    assert storage_classes(RookSettings()) == {"block": "ceph-block"}
    plain = told()
    assert (plain["cephFileSystems"], plain["cephObjectStores"]) == ([], [])
    drivers = csi_values(RookSettings())["drivers"]
    assert [name for name, driver in drivers.items() if driver["enabled"]] == ["rbd"]
    assert operator_values(RookSettings()) == {"allowLoopDevices": False}


def test_copies_are_on_different_nodes_in_every_pool() -> None:
    found = told(**ALL, replicas=2)
    pools = [pool["spec"] for pool in found["cephBlockPools"]]
    pools += [found["cephFileSystems"][0]["spec"]["metadataPool"]]
    pools += found["cephFileSystems"][0]["spec"]["dataPools"]
    pools += [found["cephObjectStores"][0]["spec"][name] for name in ("metadataPool", "dataPool")]
    assert len(pools) == 6
    for pool in pools:
        assert (pool["failureDomain"], pool["replicated"]) == ("host", {"size": 2})
    assert found["cephClusterSpec"]["cephConfig"] == {"global": {"osd_pool_default_size": "2"}}


def test_a_single_copy_is_said_to_be_meant() -> None:
    pool = told(replicas=1)["cephBlockPools"][0]["spec"]
    assert pool["replicated"] == {"size": 1, "requireSafeReplicaSize": False}


def test_pools_outlive_their_objects_unless_data_is_to_be_destroyed() -> None:
    for destroy in (True, False):
        found = told(**ALL, destroyData=destroy)
        filesystem, store = found["cephFileSystems"][0], found["cephObjectStores"][0]
        assert filesystem["spec"]["preserveFilesystemOnDelete"] is not destroy
        assert store["spec"]["preservePoolsOnDelete"] is not destroy


@pytest.mark.parametrize("default", ["block", "filesystem"])
def test_one_class_is_the_default_where_asked(default: str) -> None:
    found = told(**ALL, defaultClass=default)
    classes = {
        "block": found["cephBlockPools"][0]["storageClass"],
        "filesystem": found["cephFileSystems"][0]["storageClass"],
    }
    assert [key for key, said in classes.items() if said["isDefault"]] == [default]


def test_values_of_ones_own_are_merged_last_into_the_chart_they_are_for() -> None:
    mine = {
        "values": {"logLevel": "DEBUG"},
        "csiValues": {"drivers": {"rbd": {"deployCsiAddons": True}}},
        "clusterValues": {"cephClusterSpec": {"dashboard": {"enabled": False}}},
    }
    found = run_dev({"addons": {"rook": {**SMALL, **mine}}}).resources
    values = {chart: found[f"dev-{chart}"].inputs["values"] for chart in CHARTS}
    assert values["rook-ceph"]["logLevel"] == "DEBUG"
    assert values["ceph-csi-drivers"]["drivers"]["rbd"]["deployCsiAddons"] is True
    assert values["rook-ceph-cluster"]["cephClusterSpec"]["dashboard"] == {"enabled": False}
    assert values["rook-ceph-cluster"]["cephClusterSpec"]["mon"] == {"count": 3}


@pytest.mark.parametrize(
    ("rook", "start"),
    [
        ({}, f"{KEY}: no raw disks — containers have none — write loopDevices"),
        ({"loopDevices": LOOPS}, f"{KEY}.replicas: 3 with 2 nodes that have disks — each copy"),
        (
            {**SMALL, "block": False},
            f"{KEY}: neither block, filesystem, objectStore nor nfs — Ceph would store nothing",
        ),
        ({**SMALL, "nfs": True}, f"{KEY}.nfs: True — NFS exports a filesystem of Ceph's"),
        (
            {**SMALL, "defaultClass": "filesystem"},
            f"{KEY}.defaultClass: filesystem — it is not chosen",
        ),
        (
            {"loopDevices": {"dev-agent-9": ["/dev/loop1"]}},
            f"{KEY}.loopDevices.dev-agent-9: ['/dev/loop1'] — no node on this machine",
        ),
        (
            {"loopDevices": {"dev-agent-1": ["/dev/sda"]}, "replicas": 1},
            f"{KEY}.loopDevices.dev-agent-1: /dev/sda — not a loop device",
        ),
        ({**SMALL, "mons": 2}, f"{KEY}.mons: 2"),
    ],
)
def test_what_cannot_work_on_this_machine_is_told(rook: dict[str, object], start: str) -> None:
    found = lines("dev", rook)
    assert any(line.startswith(start) for line in found), found


@pytest.mark.parametrize(
    ("agent", "rook", "start"),
    [
        ({}, {}, f"{KEY}: no raw disks — Ceph stores on disks of its own, and no node has any"),
        (
            {"disks": [100], "count": 1},
            {},
            f"{KEY}.replicas: 3 with 1 node that has disks — each copy is on a node of its own",
        ),
        (
            {"disks": [100], "count": 1},
            {"replicas": 1},
            f"{KEY}.mons: 3 with 2 nodes without taints — each monitor is on a node of its own",
        ),
        (
            {"disks": [100], "taints": ["dedicated=storage:NoSchedule"]},
            {"mons": 1},
            "groups.agent.taints: ['dedicated=storage:NoSchedule'] — the group has disks",
        ),
        (
            {"disks": [100], "size": "small"},
            {},
            "groups.agent.size: small — the daemon of one disk asks for 4 GiB of memory",
        ),
        (
            {"disks": [100]},
            {"loopDevices": {"staging-agent-1": ["/dev/loop1"]}},
            f"{KEY}.loopDevices.staging-agent-1: ['/dev/loop1'] — no node on this machine",
        ),
    ],
)
def test_what_cannot_work_on_a_cloud_is_told(
    agent: dict[str, object], rook: dict[str, object], start: str
) -> None:
    found = lines("staging", rook, groups=groups(**agent))
    assert any(line.startswith(start) for line in found), found


def test_taints_and_small_nodes_are_for_those_who_say_how() -> None:
    placement = {"all": {"tolerations": [{"key": "dedicated", "operator": "Exists"}]}}
    spec = {"placement": placement, "resources": {"osd": {"requests": {"memory": "2Gi"}}}}
    agent = {"disks": [100], "size": "small", "taints": ["dedicated=storage:NoSchedule"]}
    chosen = {"rook": {"clusterValues": {"cephClusterSpec": spec}}}
    found = parse("staging", raw("staging", {"addons": chosen, "groups": groups(**agent)}))
    assert "rook" in found.addons.chosen()


def test_disks_of_existing_hosts_count() -> None:
    existing = json.loads(raw("hybrid")["existing"])
    existing["hosts"]["shed"]["disks"] = ["/dev/disk/by-id/ata-one"]
    chosen = {"addons": {"rook": {"replicas": 1}}, "existing": existing}
    values = run_stack("hybrid", chosen).resources["hybrid-rook-ceph-cluster"].inputs["values"]
    assert values["cephClusterSpec"]["storage"]["nodes"] == [
        {"name": "hybrid-home-shed", "devices": [{"name": "/dev/disk/by-id/ata-one"}]}
    ]
