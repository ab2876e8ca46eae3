"""What the scripts of a change do with what they find, on a kubectl that writes down its words."""

import os
import subprocess
from pathlib import Path

import pytest

from components.scripts import compose
from tests.unit.stackfiles import ROOT

SCRIPTS = ROOT / "components" / "k3s" / "scripts"
# Answers by what is asked, and by files of the test's; the API at `server` only if it is `up`.
K3S = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/asked"
case $* in
    *--server=*) [ -e "$here/registration" ] || exit 1 ;;
    *"--server https://"*) grep -qF "$3" "$here/up"; exit ;;
    *) [ ! -e "$here/down" ] || exit 1 ;;
esac
case $* in
    *kubeletVersion*) cat "$here/version" ;;
    *unschedulable\\}\\|*) cat "$here/nodes" ;;
    *spec.unschedulable*) cat "$here/closed" ;;
    *annotations*) cat "$here/noted" ;;
    *ownerReferences*) cat "$here/pods" ;;
    *etcd=true*) cat "$here/servers" ;;
    *'type=="Ready"'*status*) echo True ;;
    *"drain "*) cat "$here/drain"; [ ! -s "$here/drain" ] ;;
esac
"""
FILES = {
    "version": "v1.35.4+lab",
    "nodes": "n-1||True|\nn-2||True|\n",
    "closed": "",
    "noted": "",
    "pods": "default/web-1 ReplicaSet\nkube-system/log-1 DaemonSet\n",
    "servers": "",
    "drain": "",
    "up": "",
    "kubeconfig": "there",
}
VARIABLES = {
    "NODE": "n-1",
    "ROLE": "agent",
    "WANTED": "v1.35.5+lab",
    "CHANGE": "a-number",
    "REGISTRATION": "https://10.0.0.9:6443",
    "DRAIN": "yes",
    "DRAIN_SECONDS": "60",
    "DELETE_BARE_PODS": "",
    "POD_NETWORK": "yes",
}


class Script:
    """A script between stand-ins in a folder."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        for name, text in (FILES | files).items():
            (folder / name).write_text(text)
        (folder / "k3s").write_text(K3S)
        (folder / "systemctl").write_text('#!/bin/sh\ncat "$(dirname "$0")/active"\n')
        for program in ("k3s", "systemctl"):
            (folder / program).chmod(0o755)

    def run(self, name: str, ending: str = "", **variables: str) -> tuple[int, str]:
        """Exit code and what was said; waits of minutes take a second."""
        further = ["removal"] if name == "room" else []
        parts = [self._part(part) for part in ("lib", "nodes", *further, name)]
        if ending:
            parts[-1].write_text(parts[-1].read_text().replace('main "$@" </dev/null\n', ending))
        text = compose(parts, {"STEP": name, **VARIABLES, **variables})
        path = f"{self.folder}:{os.environ['PATH']}"
        run = subprocess.run(
            ["sh", "-s", "--", "update"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": path},
        )
        return run.returncode, run.stdout + run.stderr

    def _part(self, name: str) -> Path:
        text = (SCRIPTS / f"{name}.sh").read_text()
        for old, new in {
            "/usr/local/bin/k3s": f"{self.folder}/k3s",
            "/etc/rancher/k3s/k3s.yaml": f"{self.folder}/kubeconfig",
            "_for 60 ": "_for 1 ",
            "_for 120 ": "_for 1 ",
            "_for 300 ": "_for 1 ",
        }.items():
            text = text.replace(old, new)
        copy = self.folder / f"{name}.sh"
        copy.write_text(text)
        return copy

    def asked(self, word: str) -> list[str]:
        """What kubectl was told that has the word in it."""
        path = self.folder / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if f" {word} " in f" {line} "]


def test_a_node_that_is_to_have_another_version_is_closed_with_a_note_and_drained(
    tmp_path: Path,
) -> None:
    script = Script(tmp_path)
    code, said = script.run("drain")
    assert (code, said.splitlines()) == (
        0,
        ["n-1: drain: moves 1 pods", "n-1: drain: is drained"],
    )
    assert script.asked("annotate") == [
        "kubectl --request-timeout 10s annotate node n-1 --overwrite k3s-pulumi/drained=a-number"
    ]
    assert script.asked("drain") == [
        "kubectl drain n-1 --ignore-daemonsets --delete-emptydir-data --timeout 60s"
    ]


@pytest.mark.parametrize(
    ("files", "variables", "why"),
    [
        ({"version": "v1.35.5+lab"}, {}, "keeps its pods"),
        ({}, {"DRAIN": ""}, "keeps its pods"),
        ({"version": ""}, {}, "has not registered yet"),
        ({"kubeconfig": ""}, {}, "has no cluster yet"),
        ({"nodes": "n-1||True|\n"}, {}, "keeps its pods: no other node takes any"),
        ({"nodes": "n-2|true|True|\n"}, {}, "keeps its pods: no other node takes any"),
        ({"nodes": "n-2||Unknown|\n"}, {}, "keeps its pods: no other node takes any"),
        ({"nodes": "n-2||True|a:NoExecute,\n"}, {}, "keeps its pods: no other node takes any"),
    ],
)
def test_a_node_keeps_its_pods_where_a_drain_is_of_no_use(
    tmp_path: Path, files: dict[str, str], variables: dict[str, str], why: str
) -> None:
    script = Script(tmp_path, **files)
    assert script.run("drain", **variables) == (0, f"n-1: drain: {why}\n")
    assert script.asked("drain") == []


@pytest.mark.parametrize(
    "taints", ["a:PreferNoSchedule,", "node.kubernetes.io/unschedulable:NoSchedule,"]
)
def test_taints_that_keep_nobody_off_or_are_just_going_leave_an_elsewhere(
    tmp_path: Path, taints: str
) -> None:
    code, said = Script(tmp_path, nodes=f"n-2||True|{taints}\n").run("drain")
    assert (code, "is drained" in said) == (0, True)


def test_a_node_that_somebody_else_has_closed_gets_no_note(tmp_path: Path) -> None:
    script = Script(tmp_path, closed="true")
    assert script.run("drain")[0] == 0
    assert script.asked("drain")
    assert script.asked("annotate") == []


def test_a_drain_that_fails_opens_the_node_again_and_names_what_is_left(tmp_path: Path) -> None:
    script = Script(tmp_path, drain="error: cannot evict\n", noted="a-number")
    code, said = script.run("drain")
    assert code == 1
    assert "was not drained in 60 s — still there: default/web-1 — see what holds them" in said
    assert "error: cannot evict" in said
    assert script.asked("uncordon")
    assert script.asked("k3s-pulumi/drained-")


def test_pods_that_nobody_makes_anew_stop_a_drain_unless_they_may_go(tmp_path: Path) -> None:
    script = Script(tmp_path, pods="default/web-1 ReplicaSet\ndefault/mine \n")
    code, said = script.run("drain")
    assert code == 1
    assert "pods that nobody makes anew: default/mine — " in said
    assert script.asked("drain") == []
    assert script.run("drain", DELETE_BARE_PODS="yes")[0] == 0
    assert script.asked("--force")


def test_the_registration_address_is_asked_where_the_servers_own_api_is_silent(
    tmp_path: Path,
) -> None:
    script = Script(tmp_path, down="", registration="", active="failed")
    assert script.run("drain", ROLE="server")[0] == 0
    assert script.asked("drain")[0].startswith("kubectl --server=https://10.0.0.9:6443 drain")


@pytest.mark.parametrize(
    ("role", "active", "code", "words"),
    [
        ("server", "activating", 0, "k3s does not run here, and nobody else answers"),
        ("server", "active", 1, "has answered within 60 s"),
        ("agent", "activating", 1, "has answered within 60 s"),
    ],
)
def test_nobody_to_ask_is_no_obstacle_for_a_server_that_is_down_itself(
    tmp_path: Path, role: str, active: str, code: int, words: str
) -> None:
    script = Script(tmp_path, down="", active=f"{active}\n")
    found, said = script.run("drain", ROLE=role)
    assert found == code
    assert words in said


@pytest.mark.parametrize(("noted", "opened"), [("a-number", 1), ("", 0)])
def test_a_node_that_is_back_is_opened_if_it_was_closed_here(
    tmp_path: Path, noted: str, opened: int
) -> None:
    script = Script(tmp_path, version="v1.35.5+lab", noted=noted)
    code, said = script.run("uncordon")
    assert code == 0
    assert "is Ready with v1.35.5+lab" in said
    assert len(script.asked("uncordon")) == opened


def test_a_node_that_has_the_old_version_is_not_back(tmp_path: Path) -> None:
    script = Script(tmp_path, noted="a-number")
    code, said = script.run("uncordon")
    assert code == 1
    assert "is not Ready with v1.35.5+lab after 300 s, but True with v1.35.4+lab" in said
    assert script.asked("uncordon") == []


@pytest.mark.parametrize(
    ("others", "up", "spared"),
    [
        (0, 0, True),
        # Growing: with two members one cannot be missed in any case, and comes back.
        (1, 1, True),
        (1, 0, False),
        (2, 2, True),
        (2, 1, False),
        (4, 3, True),
        (4, 2, False),
    ],
)
def test_a_server_is_spared_if_the_others_answer_or_keep_the_quorum(
    tmp_path: Path, others: int, up: int, spared: bool
) -> None:
    addresses = [f"10.0.0.{number}" for number in range(2, 2 + others)]
    script = Script(
        tmp_path,
        servers="".join(f"{a} {a}\n" for a in ["n-1", *addresses]),
        up="\n".join(f"https://{address}:6443" for address in addresses[:up]),
    )
    ending = 'if can_be_spared; then echo spared; else echo "$away of $all: $silent"; fi\n'
    code, said = script.run("change", ending, ROLE="server")
    silent = ", ".join(addresses[up:])
    assert code == 0
    assert said == ("spared\n" if spared else f"{others - up} of {others + 1}: {silent}\n")


@pytest.mark.parametrize(
    ("up", "gone"),
    [
        ("2 3 4", []),
        ("2 3", ["10.0.0.4"]),
        # One that is to stay may be silent, too: that is not for here.
        ("2 4", []),
    ],
)
def test_only_servers_that_are_silent_and_not_wanted_leave_before_others_join(
    tmp_path: Path, up: str, gone: list[str]
) -> None:
    servers = ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    script = Script(
        tmp_path,
        servers="".join(f"{address} {address}\n" for address in servers),
        up="".join(f"https://10.0.0.{number}:6443\n" for number in up.split()),
        noted="".join(f"{node}\n" for node in [*servers, "agent"]),
    )
    code, said = script.run("room", NODES="10.0.0.2 10.0.0.3 10.0.0.5")
    assert code == 0
    # The stand-in knows no Node by name.
    left = [f"n-1: room: {node} is gone already" for node in gone]
    assert said.splitlines() == [*left, "n-1: room: servers: 10.0.0.2 10.0.0.3 10.0.0.5"]


def test_a_server_that_is_to_join_itself_takes_nobody_out(tmp_path: Path) -> None:
    script = Script(tmp_path, kubeconfig="")
    assert script.run("room", NODES="n-1") == (0, "n-1: room: has no cluster yet\n")
    assert script.asked("get") == []
