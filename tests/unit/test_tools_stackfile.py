"""The stack file that engines read in place of the user's."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from stacks import scalars
from tools import stackfile
from tools.messages import ToolError
from tools.paths import State

DEV = """\
config:
  k3s:platform: local
  k3s:k3s: {version: v1.2.3+k3s1, artifacts: {from: release}, disable: [traefik]}
"""
LAB = {"k3s:k3s": {"version": "v9+lab", "artifacts": {"from": "folder", "folder": "/lab"}}}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / ".state")


def written(path: Path, text: str = DEV) -> stackfile.StackFile:
    (path / "Pulumi.dev.yaml").write_text(text)
    return stackfile.load("dev", path)


def test_an_unknown_stack_is_answered_with_those_there_are(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "Pulumi.staging.yaml").write_text("config: {}")

    with pytest.raises(ToolError, match=r"no Pulumi\.prod\.yaml .* one of: dev, staging"):
        stackfile.load("prod", tmp_path)


@pytest.mark.parametrize("name", ["../dev", "", "a b", "x" * 101])
def test_a_name_that_is_no_stack_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ToolError, match="STACK="):
        stackfile.load(name, tmp_path)


@pytest.mark.parametrize("text", ["config: [", "- a list", "config: text"])
def test_a_file_that_is_no_stack_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ToolError, match=r"Pulumi\.dev\.yaml"):
        written(tmp_path, text)


def test_overrides_are_merged_and_the_users_file_stays(tmp_path: Path, state: State) -> None:
    generated = stackfile.generate(written(tmp_path), LAB, state)

    config = yaml.safe_load(generated.read_text())["config"]
    assert config["k3s:platform"] == "local"
    assert config["k3s:k3s"] == {**LAB["k3s:k3s"], "disable": ["traefik"]}
    assert (tmp_path / "Pulumi.dev.yaml").read_text() == DEV


def test_without_overrides_the_settings_are_the_users(tmp_path: Path, state: State) -> None:
    generated = stackfile.generate(written(tmp_path), {}, state)

    assert yaml.safe_load(generated.read_text()) == yaml.safe_load(DEV)


def test_the_generated_file_is_private(tmp_path: Path, state: State) -> None:
    generated = stackfile.generate(written(tmp_path), {}, state)

    assert stat.S_IMODE(generated.stat().st_mode) == 0o600


def test_the_salt_of_the_stack_outlives_generation(tmp_path: Path, state: State) -> None:
    stack = written(tmp_path)
    generated = stackfile.generate(stack, {}, state)
    generated.write_text(generated.read_text() + "encryptionsalt: v1:made-by-the-engine\n")

    stackfile.generate(stack, LAB, state)

    assert yaml.safe_load(generated.read_text())["encryptionsalt"] == "v1:made-by-the-engine"


def test_a_lost_salt_is_found_in_the_state(tmp_path: Path, state: State) -> None:
    provider = {"type": "passphrase", "state": {"salt": "v1:of-the-state"}}
    checkpoint = state.checkpoint("dev")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(json.dumps({"checkpoint": {"latest": {"secrets_providers": provider}}}))

    generated = stackfile.generate(written(tmp_path), {}, state)

    assert yaml.safe_load(generated.read_text())["encryptionsalt"] == "v1:of-the-state"


def test_the_salt_of_a_users_own_passphrase_is_not_taken(tmp_path: Path, state: State) -> None:
    stack = written(tmp_path, DEV + "encryptionsalt: v1:of-another-backend\n")

    generated = stackfile.generate(stack, {}, state)

    assert "encryptionsalt" not in yaml.safe_load(generated.read_text())


SECRET = DEV + "  k3s:token: {secure: v1:abc}\nencryptionsalt: v1:the-users\n"


def test_encrypted_values_need_the_passphrase_that_encrypted_them(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = written(tmp_path, SECRET)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)

    with pytest.raises(ToolError, match="set PULUMI_CONFIG_PASSPHRASE_FILE"):
        stackfile.generate(stack, {}, state)

    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/its/file")
    generated = stackfile.generate(stack, {}, state)
    assert yaml.safe_load(generated.read_text())["encryptionsalt"] == "v1:the-users"


@pytest.mark.parametrize(
    "value", ["22:22", "yes", '"yes"', "010", '"1e3"', "1e3", '"0o17"', "0x10", "2026-01-02", "~"]
)
def test_a_value_reaches_the_engines_as_the_user_wrote_it(
    tmp_path: Path, state: State, value: str
) -> None:
    """Both the CLI and the lab's engine read the generated file as YAML 1.2."""
    stack = written(tmp_path, f"{DEV}  k3s:other: {value}\n")
    generated = stackfile.generate(stack, {}, state)

    as_written = scalars.load((tmp_path / "Pulumi.dev.yaml").read_text())["config"]
    assert scalars.load(generated.read_text())["config"] == as_written


def test_texts_that_only_old_yaml_takes_for_more_stay_texts(tmp_path: Path) -> None:
    stack = written(tmp_path, f"{DEV}  k3s:a: 22:22\n  k3s:b: yes\n  k3s:c: 52:54:00:12:34:56\n")

    assert [stack.config[f"k3s:{key}"] for key in "abc"] == ["22:22", "yes", "52:54:00:12:34:56"]


def test_all_platforms_of_a_stack_are_known_its_own_first(tmp_path: Path) -> None:
    stack = written(
        tmp_path,
        """\
config:
  k3s:platform: aws
  k3s:groups:
    server: {role: server, count: 3}
    agent: {role: agent, count: 1, platform: digitalocean}
    home: {role: agent, nodes: [shed], platform: existing}
    more: {role: agent, count: 1, platform: digitalocean}
""",
    )

    assert stack.platforms == ["aws", "digitalocean", "existing"]
    assert stack.platform == "aws, digitalocean and existing"
    assert not stack.is_local


def test_a_group_that_is_named_secure_is_no_encrypted_value(tmp_path: Path) -> None:
    groups = "k3s:groups: {secure: {role: server, count: 1}}"
    stack = written(tmp_path, f"config:\n  k3s:platform: local\n  {groups}\n")

    assert stack.is_local
    assert not stack.has_secrets


@pytest.mark.parametrize("key", ["platform", "k3s:platform", "k3s:config:platform"])
def test_keys_are_read_in_every_form_that_the_cli_takes(tmp_path: Path, key: str) -> None:
    assert written(tmp_path, f"config:\n  {key}: local\n").is_local
