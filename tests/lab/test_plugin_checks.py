"""Inputs are checked against what the pinned SDK wheels declare."""

import importlib.metadata
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from lab.engine.values import UNKNOWN, is_secret, secret, to_struct
from tests.lab.plugin_host import Plugin, error_of

LOCAL, REMOTE, COPY = (
    "command:local:Command",
    "command:remote:Command",
    "command:remote:CopyToRemote",
)
PASSWORD = "random:index/randomPassword:RandomPassword"


def test_a_misspelt_property_is_answered_with_the_valid_ones(command: Plugin) -> None:
    command.check(LOCAL, {"create": "true", "enviroment": {}})
    reason = command.failures["enviroment"]
    assert "local.Command has no property 'enviroment'" in reason
    assert "write environment? one of: addPreviousOutputInEnv," in reason
    assert "create" in reason


def test_a_misspelt_property_of_the_connection_is_found(command: Plugin) -> None:
    connection = secret({"host": "h", "proxy": {"host": "p", "hostkey": "k"}})
    command.check(REMOTE, {"create": "true", "connection": connection})
    assert list(command.failures) == ["connection.proxy.hostkey"]
    assert "ProxyConnection has no property 'hostkey' — write hostKey?" in str(command.failures)


def test_a_missing_property_is_named(command: Plugin) -> None:
    command.check(COPY, {"connection": {"user": "root"}})
    assert sorted(command.failures) == ["connection.host", "remotePath", "source"]


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("create", 3, "write a string"),
        ("environment", {"A": 1}, "write a string"),
        ("environment", ["A=1"], "write an object"),
        ("interpreter", "/bin/sh", "write a list"),
        ("addPreviousOutputInEnv", "yes", "write a boolean"),
        ("logging", "all", "write one of stdout, stderr, stdoutAndStderr, none"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(
    command: Plugin, name: str, value: Any, valid: str
) -> None:
    command.check(LOCAL, {name: value})
    ((path, reason),) = command.failures.items()
    assert path.startswith(name)
    assert valid in reason


def test_a_wrong_secret_is_refused_without_showing_it(command: Plugin) -> None:
    command.check(REMOTE, {"connection": secret({"host": "h", "password": {"pin": 4711}})})
    assert list(command.failures) == ["connection.password"]
    assert "4711" not in str(command.failures)


def test_what_is_unknown_in_a_preview_is_not_judged(command: Plugin) -> None:
    checked = command.check(REMOTE, {"connection": secret(UNKNOWN), "environment": UNKNOWN})
    assert not command.failures
    assert checked["connection"] == secret(UNKNOWN)


def test_a_connection_gets_its_defaults_and_its_secrets_marked(command: Plugin) -> None:
    given = {"host": "h", "privateKey": "k", "proxy": {"host": "p", "port": 2222, "password": "w"}}
    checked = command.check(REMOTE, {"connection": given})["connection"]
    assert is_secret(checked)
    connection = checked["value"]
    defaults = {"user": "root", "dialErrorLimit": 10, "perDialTimeout": 15}
    assert connection["privateKey"] == secret("k")
    assert connection["proxy"] == {"host": "p", "port": 2222, "password": secret("w"), **defaults}
    assert connection.items() >= {"host": "h", "port": 22, **defaults}.items()


@pytest.mark.parametrize("name", ["assetPaths", "archivePaths"])
def test_collecting_files_is_refused(command: Plugin, name: str) -> None:
    command.check(LOCAL, {"create": "true", name: ["*"]})
    assert "collects no files" in command.failures[name]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"uri": "https://example.org/x"}, "a remote asset was given"),
        ({"path": "/x"}, "without a hash"),
    ],
)
def test_a_source_that_cannot_be_copied_is_refused(
    command: Plugin, source: dict[str, str], reason: str
) -> None:
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", **source}
    command.check(COPY, {"connection": {"host": "h"}, "source": asset, "remotePath": "/x"})
    assert reason in command.failures["source"]


def test_a_resource_type_that_is_not_there_is_refused_by_name(random: Plugin) -> None:
    text = error_of(lambda: random.check("random:index/randomPet:RandomPet", {}))
    assert "random:index/randomPet:RandomPet: the lab's random plugin has no such" in text
    assert PASSWORD in text


def test_plugins_have_the_version_of_their_wheel(
    command: Plugin, random: Plugin, tls: Plugin
) -> None:
    for name, plugin in (("command", command), ("random", random), ("tls", tls)):
        assert plugin.info().version == importlib.metadata.version(f"pulumi_{name}")


def test_a_refresh_keeps_what_is_in_the_state(command: Plugin) -> None:
    state = {"create": "date", "stdout": "yesterday", "stderr": ""}
    response = command.read(LOCAL, state, {"create": "date"})
    assert (response.id, dict(response.properties)) == ("it-1", state)
    assert dict(response.inputs) == {"create": "date"}


def test_a_lookup_by_id_is_refused(command: Plugin) -> None:
    assert "cannot be looked up or imported" in error_of(lambda: command.read(LOCAL, {}, {}))


def test_a_provider_setting_that_is_not_there_is_refused(command: Plugin) -> None:
    news = to_struct({"version": "1.2.1", "hosst": "h"})
    request = provider_pb2.CheckRequest(urn="urn", news=news)
    response = command.stub.CheckConfig(request)
    assert [failure.property for failure in response.failures] == ["hosst"]
