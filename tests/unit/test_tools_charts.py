"""Which charts a stack gets, and how the stack is pointed at them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.addons.kinds import KINDS
from tests.downloads.release_server import ReleaseServer, serving
from tools import charts
from tools.charts import Choice
from tools.messages import ToolError
from tools.stackfile import StackFile

METALLB: dict[str, Any] = {"metallb": {"pools": {"main": {"addresses": ["10.0.0.0/28"]}}}}


def stack(addons: object = METALLB, platform: str = "local") -> StackFile:
    config = {"k3s:platform": platform, "k3s:addons": addons}
    return StackFile("dev", Path("Pulumi.dev.yaml"), {"config": config})


def choose(stack: StackFile, made_with: str | None, k3s: str = "lab") -> Choice:
    return charts.choose(stack, made_with, k3s)


def publish_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MetalLB's chart has its repository there."""
    kind = KINDS["metallb"]
    there = tuple(replace(chart, repository=address) for chart in kind.charts)
    monkeypatch.setitem(
        KINDS,  # type: ignore[arg-type]  # read-only for everybody else
        "metallb",
        replace(kind, charts=there),
    )


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseServer]:
    """The repository of MetalLB's chart, with nothing in it yet."""
    monkeypatch.delenv("CHARTS", raising=False)
    with serving() as server:
        publish_at(server.address, monkeypatch)
        yield server


@pytest.fixture
def reachable(repository: ReleaseServer) -> ReleaseServer:
    repository.files["/index.yaml"] = b"entries: {}"
    return repository


@pytest.mark.parametrize(
    ("plugin", "names"),
    [
        ("calico", ["crd.projectcalico.org.v1", "tigera-operator"]),
        ("cilium", ["cilium"]),
        (None, []),
    ],
)
def test_of_an_add_on_with_a_choice_the_chosen_charts_count(
    plugin: str | None, names: list[str]
) -> None:
    chosen = charts.chosen(stack({"cni": {"plugin": plugin} if plugin else {}}))
    assert [chart.name for chart in chosen] == names


@pytest.mark.usefixtures("reachable")
def test_the_repositories_come_first() -> None:
    assert choose(stack(), None).source == "repository"


def test_the_labs_are_taken_where_a_repository_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHARTS", raising=False)
    publish_at("http://127.0.0.1:1", monkeypatch)

    chosen = choose(stack(), None)

    assert chosen.source == "lab"
    assert chosen.why.startswith("metallb: 127.0.0.1 cannot be reached")


def test_the_labs_are_taken_where_a_repository_has_no_index(repository: ReleaseServer) -> None:
    chosen = choose(stack(), None)

    assert chosen == Choice("lab", "metallb: its server answers 404 Not Found")
    assert repository.asked == ["/index.yaml"]


@pytest.mark.parametrize("made_with", ["lab", "repository"])
def test_a_stack_keeps_the_charts_it_was_made_with(
    repository: ReleaseServer, made_with: str
) -> None:
    assert choose(stack(), made_with).source == made_with
    assert repository.asked == []


@pytest.mark.usefixtures("reachable")
@pytest.mark.parametrize("made_with", ["none", "own"])
def test_a_stack_that_had_none_of_either_chooses_anew(made_with: str) -> None:
    assert choose(stack(), made_with).source == "repository"


@pytest.mark.parametrize("forced", ["lab", "repository"])
def test_charts_forces_it_even_on_a_stack_made_otherwise(
    repository: ReleaseServer, monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    monkeypatch.setenv("CHARTS", forced)
    other = {"lab": "repository", "repository": "lab"}[forced]

    assert choose(stack(), other) == Choice(forced, f"CHARTS={forced}")
    assert repository.asked == []


@pytest.mark.parametrize(
    "addons",
    [{}, None, {"metallb": None}, {"charts": {"from": "mirror", "url": "https://charts.test"}}],
)
def test_nothing_is_asked_or_made_without_a_chart(
    repository: ReleaseServer, monkeypatch: pytest.MonkeyPatch, addons: object
) -> None:
    monkeypatch.setenv("CHARTS", "lab")
    monkeypatch.setattr("tools.processes.build", lambda *_: pytest.fail("something is built"))

    chosen = choose(stack(addons), None)

    assert chosen.source == "none"
    assert charts.overrides(chosen, stack(addons)) == {}
    assert repository.asked == []


def test_a_source_that_the_stack_names_is_left_alone(repository: ReleaseServer) -> None:
    own = stack({**METALLB, "charts": {"from": "mirror", "url": "https://charts.test"}})

    chosen = choose(own, None)

    assert chosen == Choice("own", "as Pulumi.dev.yaml says")
    assert charts.overrides(chosen, own) == {}
    assert repository.asked == []


def test_a_stack_on_a_cloud_has_its_own(repository: ReleaseServer) -> None:
    assert choose(stack(platform="aws"), None).source == "own"
    assert repository.asked == []


def test_the_labs_charts_never_go_to_a_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS", "lab")

    with pytest.raises(ToolError, match="CHARTS=lab for a stack on aws"):
        choose(stack(platform="aws"), None)


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("k3s", ["release", "own"])
def test_the_labs_charts_need_the_labs_k3s_which_has_their_image(k3s: str) -> None:
    with pytest.raises(ToolError, match="their image is in the lab's k3s alone"):
        choose(stack(), None, k3s)


def test_unknown_charts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS", "helm")

    with pytest.raises(ToolError, match="write CHARTS=repository or CHARTS=lab"):
        choose(stack(), None)


@pytest.mark.parametrize("addons", [METALLB, '{"metallb": {"pools": {"main": {}}}}'])
def test_the_labs_folder_goes_into_the_stack_beside_its_add_ons(
    monkeypatch: pytest.MonkeyPatch, addons: object
) -> None:
    monkeypatch.setattr("tools.processes.build", lambda *_: "/cache/charts/1")

    (made,) = charts.overrides(Choice("lab", ""), stack(addons)).items()

    assert made[0] == "k3s:addons"
    assert set(made[1]) == {"metallb", "charts"}
    assert made[1]["charts"] == {"from": "folder", "folder": "/cache/charts/1"}


def test_the_repositories_are_asked_for_where_they_are_forced() -> None:
    own = stack({**METALLB, "charts": {"from": "folder", "folder": "/mine"}})

    made = charts.overrides(Choice("repository", "CHARTS=repository"), own)

    assert made["k3s:addons"]["charts"] == {"from": "repository"}
