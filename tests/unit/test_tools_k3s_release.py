"""Which k3s a stack gets, and how the stack is pointed at it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.downloads.release_server import NOBODY, ReleaseServer, serving
from tools import k3s_release
from tools.k3s_release import Choice
from tools.messages import ToolError
from tools.paths import Cache
from tools.stackfile import StackFile

VERSION = "v1.34.4+k3s1"


def stack(artifacts: dict[str, str] | None = None, platform: str = "local") -> StackFile:
    k3s: dict[str, Any] = {"version": VERSION}
    if artifacts:
        k3s["artifacts"] = artifacts
    config = {"k3s:platform": platform, "k3s:k3s": k3s}
    return StackFile("dev", Path("Pulumi.dev.yaml"), {"config": config})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.delenv("K3S", raising=False)
    return Cache(tmp_path)


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseServer]:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with serving() as server:
        monkeypatch.setenv("K3S_RELEASES_URL", f"{server.address}/k3s-io/k3s/releases/download")
        server.put_k3s(VERSION)
        yield server


@pytest.fixture
def no_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K3S_RELEASES_URL", NOBODY)


@pytest.mark.usefixtures("releases")
def test_the_release_comes_first(cache: Cache) -> None:
    assert k3s_release.choose(stack(), cache, None).source == "release"


@pytest.mark.usefixtures("no_releases")
def test_the_labs_is_taken_where_the_release_cannot_be_reached(cache: Cache) -> None:
    chosen = k3s_release.choose(stack(), cache, None)

    assert chosen.source == "lab"
    assert chosen.why.startswith(f"{VERSION}: 127.0.0.1 cannot be reached")


@pytest.mark.parametrize("made_with", ["lab", "release"])
def test_a_stack_keeps_the_k3s_it_was_made_with(
    cache: Cache, releases: ReleaseServer, made_with: str
) -> None:
    assert k3s_release.choose(stack(), cache, made_with).source == made_with
    assert releases.asked == []


@pytest.mark.parametrize("forced", ["lab", "release"])
def test_k3s_forces_it_even_on_a_stack_made_otherwise(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    monkeypatch.setenv("K3S", forced)
    other = {"lab": "release", "release": "lab"}[forced]

    assert k3s_release.choose(stack(), cache, other) == Choice(forced, f"K3S={forced}")


def test_an_unknown_k3s_is_refused(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K3S", "k8s")

    with pytest.raises(ToolError, match="write K3S=release or K3S=lab"):
        k3s_release.choose(stack(), cache, None)


def test_the_labs_k3s_never_goes_to_a_cloud(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K3S", "lab")

    with pytest.raises(ToolError, match="K3S=lab for a stack on aws"):
        k3s_release.choose(stack(platform="aws"), cache, None)


@pytest.mark.parametrize(
    "artifacts",
    [{"from": "mirror", "url": "https://mirror.test"}, {"from": "folder", "folder": "/k3s"}],
)
def test_artifacts_that_the_stack_names_are_left_alone(
    cache: Cache, artifacts: dict[str, str]
) -> None:
    chosen = k3s_release.choose(stack(artifacts), cache, None)

    assert chosen.source == "own"
    assert k3s_release.overrides(chosen, stack(artifacts), cache) == {}


def test_a_stack_without_a_version_is_told_what_to_write(cache: Cache) -> None:
    nameless = StackFile("dev", Path("Pulumi.dev.yaml"), {"config": {"k3s:platform": "local"}})

    with pytest.raises(ToolError, match="write version: v"):
        k3s_release.choose(nameless, cache, None)


def test_the_labs_folder_and_version_go_into_the_stack(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = cache.k3s / "v1.35.4+lab"
    monkeypatch.setattr("tools.processes.build", lambda *_: str(built))

    overrides = k3s_release.overrides(Choice("lab", ""), stack(), cache)

    assert overrides == {
        "k3s:k3s": {
            "version": "v1.35.4+lab",
            "artifacts": {"from": "folder", "folder": str(built)},
        }
    }


@pytest.mark.parametrize(
    ("asked", "words"), [(VERSION, ()), ("v1.35.5+lab", ("--as", "v1.35.5+lab"))]
)
def test_a_stack_may_ask_for_another_version_of_the_labs(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, asked: str, words: tuple[str, ...]
) -> None:
    given: list[tuple[str, ...]] = []
    monkeypatch.setattr("tools.processes.build", lambda _, __, *w: given.append(w) or "/k3s/lab")
    config = {"k3s:platform": "local", "k3s:k3s": {"version": asked}}
    k3s_release.overrides(
        Choice("lab", ""), StackFile("dev", Path("Pulumi.dev.yaml"), {"config": config}), cache
    )

    assert given == [words]
