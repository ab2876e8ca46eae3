"""What engines are told of where state and secrets are."""

import json
import os
import stat
from pathlib import Path

import pytest

from tools import state
from tools.messages import ToolError
from tools.paths import LAB_PLUGINS, Cache, State
from tools.stackfile import StackFile

LOCAL = StackFile("dev", Path("Pulumi.dev.yaml"), {"config": {"k3s:platform": "local"}})
CLOUD = StackFile("prod", Path("Pulumi.prod.yaml"), {"config": {"k3s:platform": "aws"}})


@pytest.fixture
def where(tmp_path: Path) -> tuple[State, Cache]:
    return State(tmp_path / ".state"), Cache(tmp_path / "cache")


def test_a_local_stack_has_a_backend_of_its_own_whatever_the_user_has(
    where: tuple[State, Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.pulumi.com")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "the user's")

    env = state.environment(LOCAL, *where)

    assert env["PULUMI_BACKEND_URL"] == where[0].backend.as_uri()
    assert env["PULUMI_HOME"] == str(where[1].root / "pulumi")
    assert "PULUMI_CONFIG_PASSPHRASE" not in env


def test_a_stack_on_a_cloud_keeps_the_users_own_pulumi(
    where: tuple[State, Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.pulumi.com")
    monkeypatch.delenv("PULUMI_HOME", raising=False)

    env = state.environment(CLOUD, *where)

    assert env["PULUMI_BACKEND_URL"] == "https://api.pulumi.com"
    assert "PULUMI_HOME" not in env
    assert not where[0].root.exists()


def test_the_labs_plugins_never_win_over_the_real_ones_on_a_cloud(
    where: tuple[State, Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins = where[0].plugins / "tls"
    monkeypatch.setenv("PATH", os.pathsep.join(["/bin", str(LAB_PLUGINS), str(stand_ins), "/x"]))

    assert state.environment(CLOUD, *where)["PATH"] == f"/bin{os.pathsep}/x"


def test_the_backend_of_the_clone_is_refused_for_a_cloud(
    where: tuple[State, Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", where[0].backend.as_uri())

    state.refuse_own_backend(LOCAL, where[0])
    with pytest.raises(ToolError, match=r"PULUMI_BACKEND_URL=.* name a backend of yours"):
        state.refuse_own_backend(CLOUD, where[0])


def test_a_stack_does_not_move_to_a_cloud_while_its_nodes_are_here(
    where: tuple[State, Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    state.refuse_own_backend(CLOUD, where[0])
    checkpoint = where[0].checkpoint(CLOUD.name)
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(json.dumps({"checkpoint": {"latest": {"resources": [{"urn": "x"}]}}}))

    with pytest.raises(ToolError, match="make destroy STACK=prod"):
        state.refuse_own_backend(CLOUD, where[0])


def test_the_passphrase_is_made_once_and_is_private(where: tuple[State, Cache]) -> None:
    first = Path(state.environment(LOCAL, *where)["PULUMI_CONFIG_PASSPHRASE_FILE"])
    passphrase = first.read_text()
    second = Path(state.environment(LOCAL, *where)["PULUMI_CONFIG_PASSPHRASE_FILE"])

    assert len(passphrase.strip()) >= 32
    assert second.read_text() == passphrase
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700


def test_choices_hold_from_the_first_resource_until_the_stack_is_gone(
    where: tuple[State, Cache],
) -> None:
    made = state.Choices(engine="lab", k3s="release")
    assert state.recall("dev", where[0]) == state.Choices()

    state.remember("dev", made, where[0])
    assert state.recall("dev", where[0]) == state.Choices()

    checkpoint = where[0].checkpoint("dev")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(json.dumps({"checkpoint": {"latest": {"resources": [{"urn": "x"}]}}}))
    assert state.recall("dev", where[0]) == made
    assert state.recall("other", where[0]) == state.Choices()

    state.forget("dev", where[0])
    assert state.recall("dev", where[0]) == state.Choices()
