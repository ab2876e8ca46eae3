"""Longhorn: what its chart is told, what goes first when it ends, and what is refused."""

import shlex
from typing import Any

import pytest

from components.addons.longhorn import chart_values
from components.addons.longhorn_settings import LonghornSettings
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit import recordings
from tests.unit.program import run_dev
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw

KEY = "addons.longhorn"
DISK_LABEL = "node.longhorn.io/create-default-disk=true"
RELEASE, NAMESPACE, STEP = "dev-longhorn", "dev-longhorn-system-namespace", "dev-longhorn-ready"


def running(**settings: object) -> Recording:
    return run_dev({"addons": {"longhorn": {"replicas": 2, **settings}}})


@pytest.fixture(scope="module")
def dev() -> Recording:
    return running()


@pytest.fixture(scope="module")
def destroying() -> Recording:
    return running(destroyData=True, groups=["agent"])


def told(recording: Recording, resource: str) -> dict[str, str]:
    """The assignments before a step's script, as the shell reads them."""
    text: str = recording.resources[resource].inputs["stdin"]
    head = text[text.index("\n") : text.index("\n# shellcheck")]
    return dict(word.split("=", 1) for word in shlex.split(head))


def values(**settings: object) -> dict[str, Any]:
    return chart_values(LonghornSettings.model_validate(settings))


def lines(longhorn: object, **other: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", {"addons": {"longhorn": longhorn}, **other}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def groups(agents: int, **agent: object) -> dict[str, object]:
    return {
        "server": {"role": "server", "count": 1},
        "agent": {"role": "agent", "count": agents, **agent},
    }


def test_the_chart_is_pinned_and_its_release_is_not_taken_back(dev: Recording) -> None:
    inputs = dev.resources[RELEASE].inputs
    assert (inputs["chart"], inputs["version"]) == ("longhorn", "1.12.1")
    assert inputs["repositoryOpts"] == {"repo": "https://charts.longhorn.io"}
    assert (inputs["name"], inputs["namespace"]) == ("longhorn", "longhorn-system")
    assert inputs["atomic"] is False
    labels = dev.resources[NAMESPACE].inputs["metadata"]["labels"]
    assert labels == {"pod-security.kubernetes.io/enforce": "privileged"}


def test_replicas_folder_and_kubelet_are_told() -> None:
    assert values(replicas=2, dataPath="/mnt/data", defaultClass=True) == {
        "csi": {"kubeletRootDir": "/var/lib/kubelet"},
        "persistence": {"defaultClass": True, "defaultClassReplicaCount": 2},
        "defaultSettings": {
            "createDefaultDiskLabeledNodes": False,
            "defaultDataPath": "/mnt/data",
            "defaultReplicaCount": 2,
            "upgradeChecker": False,
            "allowCollectingLonghornUsageMetrics": False,
        },
    }
    # The chart's own would be a second default class beside k3s's.
    assert values()["persistence"]["defaultClass"] is False


def test_further_values_are_merged_last() -> None:
    over = {"defaultSettings": {"storageOverProvisioningPercentage": 150, "upgradeChecker": True}}
    found = running(values=over).resources[RELEASE].inputs["values"]["defaultSettings"]
    assert found["storageOverProvisioningPercentage"] == 150
    assert found["upgradeChecker"] is True
    assert found["defaultDataPath"] == "/var/lib/longhorn"


def test_nodes_of_the_chosen_groups_are_labelled_without_a_word_to_k3s(
    dev: Recording, destroying: Recording
) -> None:
    assert values(groups=["agent"])["defaultSettings"]["createDefaultDiskLabeledNodes"] is True
    for node, labelled in (("dev-server-1", ""), ("dev-agent-1", DISK_LABEL)):
        assert told(destroying, f"{node}-registration")["LABELS"] == labelled
        assert told(dev, f"{node}-registration")["LABELS"] == ""
        # k3s would be restarted for a label that it takes at its first registration alone.
        assert "longhorn" not in destroying.resources[f"{node}-install"].inputs["stdin"]


def test_a_group_s_own_labels_stay_beside_longhorns() -> None:
    found = run_dev(
        {
            "addons": {"longhorn": {"replicas": 2, "groups": ["agent"]}},
            "groups": groups(2, labels={"disk": "ssd"}),
        }
    )
    labels = told(found, "dev-agent-1-registration")["LABELS"]
    assert labels.splitlines() == ["disk=ssd", DISK_LABEL]


def test_every_machine_gets_iscsi_and_nfs_with_longhorn_and_none_without(dev: Recording) -> None:
    without = recordings.of("dev")
    prepared = [name for name in dev.resources if name.endswith("-prepare")]
    assert len(prepared) == len([n for n in without.resources if n.endswith("-prepare")]) > 1
    for name in prepared:
        assert told(dev, name)["FEATURES"] == "iscsi nfs"
        assert told(without, name)["FEATURES"] == ""


def test_volumes_can_be_made_before_it_is_said_that_they_can(dev: Recording) -> None:
    assert RELEASE in dev.resources[STEP].dependencies
    assert (told(dev, STEP)["REPLICAS"], told(dev, STEP)["WAIT"]) == ("2", "true")
    assert told(running(waitReady=False), STEP)["WAIT"] == "false"


def test_without_destroy_data_all_stays_where_it_is(dev: Recording) -> None:
    for name in (RELEASE, NAMESPACE):
        assert dev.resources[name].request.retainOnDelete, name
    step = dev.resources[STEP]
    assert told(dev, STEP)["DESTROY"] == "false"
    assert step.request.deletedWith.endswith("k3s:cluster:K3s::dev")


def test_with_destroy_data_volumes_go_before_longhorn(destroying: Recording) -> None:
    for name in (RELEASE, NAMESPACE):
        assert not destroying.resources[name].request.retainOnDelete, name
    step = destroying.resources[STEP]
    assert told(destroying, STEP)["DESTROY"] == "true"
    assert RELEASE in step.dependencies
    assert step.inputs["delete"]
    assert not step.request.deletedWith
    # Nothing but the step lets Longhorn be uninstalled, and only when it is to be.
    assert "deletingConfirmationFlag" not in str(destroying.resources[RELEASE].inputs)


def test_what_has_volumes_waits_for_it() -> None:
    found = run_dev(
        {"addons": {"longhorn": {"replicas": 2}, "prometheus": {"storage": {}, "dashboards": {}}}}
    )
    assert STEP in found.resources["dev-prometheus"].dependencies


@pytest.mark.parametrize("path", ["data", "./data", "/", "/mnt/../etc", ""])
def test_a_data_path_that_is_no_folder_of_its_own_is_refused(path: str) -> None:
    assert lines({"replicas": 2, "dataPath": path}) == [
        f"{KEY}.dataPath: {path} — not the absolute path of a folder of Longhorn's own — "
        "write /var/lib/longhorn, or where a disk for it is mounted, such as /mnt/data"
    ]


@pytest.mark.parametrize(
    ("longhorn", "agents", "told_of"),
    [
        ({}, {"agents": 1}, "3 with 2 nodes to hold them"),
        ({"groups": ["agent"], "replicas": 2}, {"agents": 1}, "2 with 1 node to hold them"),
        ({}, {"agents": 3, "taints": ["own=yes:NoSchedule"]}, "3 with 1 node to hold them"),
    ],
)
def test_fewer_nodes_than_replicas_are_refused(
    longhorn: object, agents: dict[str, Any], told_of: str
) -> None:
    there = told_of.split()[2]
    assert lines(longhorn, groups=groups(**agents)) == [
        f"{KEY}.replicas: {told_of} — each copy is on a node of its own — "
        f"write replicas: {there}, or add nodes"
    ]


def test_groups_that_cannot_hold_data_are_refused() -> None:
    assert lines({"replicas": 1, "groups": ["server", "disks"]}) == [
        f"{KEY}.groups: disks — no group has that name — "
        "write of agent, server those whose nodes hold data"
    ]
    tainted = groups(3, taints=["own=yes:NoExecute"])
    assert lines({"replicas": 1, "groups": ["server", "agent"]}, groups=tainted) == [
        f"{KEY}.groups: agent — Longhorn's pods do not tolerate its taints own=yes:NoExecute — "
        "write values: {global: {tolerations: […]}, defaultSettings: {taintToleration: "
        "KEY=VALUE:EFFECT}}, or leave the group out"
    ]


def test_taints_that_longhorn_is_told_to_tolerate_keep_it_off_nothing() -> None:
    tolerated = {"values": {"global": {"tolerations": [{"operator": "Exists"}]}}}
    parse(
        "dev",
        raw(
            "dev",
            {
                "addons": {"longhorn": {"groups": ["agent"], **tolerated}},
                "groups": groups(3, taints=["own=yes:NoExecute"]),
            },
        ),
    )


def test_of_two_default_classes_one_is_refused() -> None:
    rook = {
        "loopDevices": {"dev-agent-1": ["/dev/loop10"]},
        **{"replicas": 1, "mons": 1, "defaultClass": "block"},
    }
    with pytest.raises(SettingsError) as caught:
        parse(
            "dev",
            raw(
                "dev", {"addons": {"longhorn": {"replicas": 2, "defaultClass": True}, "rook": rook}}
            ),
        )
    assert str(caught.value).splitlines()[1:] == [
        f"  {KEY}.defaultClass: rook's is one as well — which of two a claim without a class gets, "
        "depends on when they were made — leave defaultClass out here, or in addons.rook"
    ]
