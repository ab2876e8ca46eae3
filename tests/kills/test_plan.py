"""Moments are drawn so that they can be drawn again, and leave no kind of place out."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kills.commands import COMMANDS, Wanted, way
from tests.kills.places import Boundary, Command, Place, Script, boundaries, load, save
from tests.kills.plan import plan

OWNERS = ["k3skills-server-1", "k3skills-agent-1", "k3skills"]
LAB = """\
engine: lab (ENGINE=lab)
  create               k3s:cluster:K3s k3skills
  create               command:local:Command k3skills-server-1
  create               command:local:Command k3skills-server-1 done 1.4 s
  create               command:remote:CopyToRemote k3skills-server-1-upload-k3s
  create               command:remote:Command k3skills-server-1-install FAILED 1.1 s
k3skills-server-1-install: k3skills-server-1: install: k3s server runs
up done: 34 created; 15.2 s
"""
CLI = """\
@ updating.......
 +  k3s:cluster:K3s k3skills creating (0s)
 +  command:local:Command k3skills-server-1 creating (0s)
 +  command:local:Command k3skills-server-1 created (1s)
 +  command:remote:CopyToRemote k3skills-server-1-upload-k3s creating (0s)
 +  command:remote:Command k3skills-server-1-install created (1s)
Resources:
    + 37 created
"""


def found() -> list[Place]:
    """Two scripts and two boundaries of each of two kinds, in each command."""
    places: list[Place] = []
    for command in COMMANDS:
        for node in OWNERS[:2]:
            for step in ("install", "prepare"):
                at, kind = Script("create", f"{step}:{node}"), f"create {step}"
                places.append(Place(command, kind, at, on_node=True, seconds=2.0))
                begin = Boundary("create", f"{node}-{step}", "begin")
                places.append(Place(command, kind, begin, on_node=True))
    return places


@pytest.mark.parametrize("output", [LAB, CLI], ids=["the lab's engine", "the CLI"])
def test_what_engines_print_of_scripts_and_copies_is_where_they_are_struck(output: str) -> None:
    told = [(p.kind, str(p.at)) for p in boundaries("born", output.splitlines(), OWNERS)]
    assert told == [
        ("create machine", "begin of create k3skills-server-1"),
        ("create machine", "end of create k3skills-server-1"),
        ("create upload", "begin of create k3skills-server-1-upload-k3s"),
        ("create install", "end of create k3skills-server-1-install"),
    ]


def test_one_seed_draws_the_same_moments_in_whatever_order_places_were_found() -> None:
    assert plan(found(), 7, None) == plan(found()[::-1], 7, None)
    assert plan(found(), 7, None) != plan(found(), 8, None)


def test_moments_that_are_drawn_again_are_the_same_to_the_last_digit(tmp_path: Path) -> None:
    save(found(), tmp_path / "places.json")
    assert plan(load(tmp_path / "places.json"), 7, 12) == plan(found(), 7, 12)


def test_no_kind_of_place_is_left_out_and_none_comes_twice_before_all_came_once() -> None:
    moments = plan(found(), 3, None)
    kinds = [(type(moment.place.at), moment.place.kind) for moment in moments]
    assert len(kinds) == len(set(kinds)) == 4
    assert len(plan(found(), 3, 20)) == 20


def test_a_destroy_that_was_killed_is_followed_by_destroy() -> None:
    moments = plan(found(), 3, 40)
    ended = {moment.then for moment in moments if moment.place.command == "destroy"}
    assert ended == {"destroy"}
    assert {moment.then for moment in moments} == {"up", "destroy"}


@pytest.mark.parametrize(
    ("wanted", "command", "needed"),
    [
        (None, "born", []),
        (None, "grow", ["born", "shrink"]),
        (Wanted(), "shrink", []),
        (Wanted(newer=True), "upgrade", ["destroy", "born"]),
        (Wanted(agents=0), "born", ["destroy"]),
        (Wanted(agents=0), "upgrade", ["grow"]),
    ],
)
def test_a_command_is_struck_where_it_changes_something(
    wanted: Wanted | None, command: Command, needed: Sequence[Command]
) -> None:
    assert way(wanted, command) == needed
