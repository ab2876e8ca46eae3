"""What the engine does not do it refuses, in one message that says what to do instead."""

from typing import Any

import pytest
import yaml

from tests.engine.workspace import Workspace

REFUSED_PROGRAMS = {
    "a stash": ('pulumi.CustomResource("pulumi:index:Stash", "s", {"input": 1})', "Stash"),
    "a remote component": (
        'pulumi.ComponentResource("pyp:index:Remote", "r", {}, None, remote=True)',
        "Construct",
    ),
    "a method call": (
        'pulumi.runtime.call("pyp:index:Thing/go", {}, Thing("a", key="k"))',
        "Call",
    ),
    "a transform": (
        'Thing("a", key="k", opts=Options(transforms=[lambda args: None]))',
        "transforms",
    ),
    "a hook": (
        'hook = pulumi.ResourceHook("h", lambda args: None)\n'
        'Thing("a", key="k", opts=Options(hooks=pulumi.ResourceHookBinding(after_create=[hook])))',
        "hook",
    ),
    "a package of a real cloud": (
        'pulumi.CustomResource("aws:ec2/vpc:Vpc", "v", {})',
        "'aws'",
    ),
    "an asset on the internet": (
        'Thing("a", key="k", source=pulumi.RemoteAsset("https://localhost/x"))',
        "RemoteAsset",
    ),
}


@pytest.mark.parametrize("what", REFUSED_PROGRAMS)
def test_what_is_not_implemented_is_refused_by_name(workspace: Workspace, what: str) -> None:
    text, name = REFUSED_PROGRAMS[what]
    workspace.write_program(f"import pulumi\nfrom things import *\n{text}\n")
    done = workspace.lab("up")
    assert done.code == 1
    assert name in done.said
    assert "the lab engine" in done.said or "official Pulumi CLI" in done.said
    assert "Traceback" not in done.said


PLATFORMS: dict[str, dict[str, Any]] = {
    "aws": {"k3s:platform": "aws"},
    "digitalocean": {"k3s:platform": "digitalocean"},
    "existing": {"k3s:platform": "existing"},
    "hybrid": {"k3s:platform": "local", "k3s:groups": {"agents": {"platform": "aws"}}},
    "in a list": {"k3s:groups": [{"name": "servers"}, {"name": "a", "platform": "aws"}]},
}


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_stack_on_a_real_cloud_is_refused_before_anything_runs(
    workspace: Workspace, name: str
) -> None:
    workspace.write_program("raise ValueError('this must not run')")
    workspace.configure(PLATFORMS[name])
    for command in ("preview", "up", "refresh", "destroy"):
        done = workspace.lab(command)
        assert done.code == 1
        assert "use the official Pulumi CLI" in done.said
        assert "this must not run" not in done.said
    assert not workspace.checkpoint_file.exists()


def test_local_stacks_are_not_refused(workspace: Workspace) -> None:
    workspace.write_program("")
    workspace.configure({"k3s:platform": "local", "k3s:groups": {"agents": {"count": 2}}})
    assert workspace.lab("up").code == 0


MISTAKES = {
    "no backend": ({"PULUMI_BACKEND_URL": ""}, "write file:///absolute/folder"),
    "a cloud backend": ({"PULUMI_BACKEND_URL": "s3://bucket"}, "'s3://bucket'"),
    "a wrong passphrase": ({"PULUMI_CONFIG_PASSPHRASE": "wrong"}, "incorrect passphrase"),
    "no plugin": ({"PATH": "/usr/bin:/bin"}, "no plugin pulumi-resource-pyp"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_users_mistake_is_one_message_without_a_traceback(
    workspace: Workspace, what: str
) -> None:
    variables, message = MISTAKES[what]
    workspace.write_program('from things import *\nThing("a", key="k")\n')
    done = workspace.lab("up", **variables)
    assert done.code == 1
    assert message in done.said
    assert "Traceback" not in done.said


def test_a_missing_passphrase_file_is_named(workspace: Workspace) -> None:
    workspace.write_program("")
    del workspace.environment["PULUMI_CONFIG_PASSPHRASE"]
    done = workspace.lab("up", PULUMI_CONFIG_PASSPHRASE_FILE="/not/there")
    assert done.code == 1
    assert "PULUMI_CONFIG_PASSPHRASE_FILE: /not/there" in done.said


def test_all_mistakes_of_the_config_are_told_together(workspace: Workspace) -> None:
    workspace.write_program("")
    file = workspace.folder / "Pulumi.yaml"
    project = yaml.safe_load(file.read_text())
    project["config"] |= {"size": {"type": "integer"}, "name": {"type": "string"}}
    file.write_text(yaml.safe_dump(project))
    workspace.configure({"scenario:size": "many"})
    done = workspace.lab("up")
    assert done.code == 1
    assert "'size' must be of type 'integer'" in done.said
    assert "missing configuration value 'name'" in done.said


def test_a_plugin_that_does_not_start_is_told_with_its_last_lines(workspace: Workspace) -> None:
    plugin = workspace.folder / "pulumi-resource-pyp"
    plugin.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n")
    plugin.chmod(0o755)
    workspace.write_program('from things import *\nThing("a", key="k")\n')
    done = workspace.lab("up", PATH=f"{workspace.folder}:/usr/bin:/bin")
    assert done.code == 1
    assert "plugin pulumi-resource-pyp did not start" in done.said
    assert "no such luck" in done.said


def test_the_salt_is_written_to_a_config_file_that_has_none(workspace: Workspace) -> None:
    workspace.write_program("")
    file = workspace.folder / "Pulumi.dev.yaml"
    file.write_text("# a comment of the user's\nconfig: {}\n")
    assert workspace.lab("up").code == 0
    text = file.read_text()
    assert text.startswith("encryptionsalt: v1:")
    assert "# a comment of the user's" in text
    file.write_text("config: {}\n")  # lost again: the state still has it
    assert workspace.lab("up").code == 0
    assert file.read_text().splitlines()[0] == text.splitlines()[0]
