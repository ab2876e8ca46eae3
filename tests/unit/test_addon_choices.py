"""Which add-ons wait for which, k3s's own parts on or off, and secret values by name."""

import json
import runpy
from collections.abc import Mapping
from graphlib import TopologicalSorter

import pulumi
import pytest

from components.addons import secret_values
from components.addons.addon import STORAGE
from components.addons.kinds import KINDS, Kind
from components.addons.settings import Addons
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev
from tests.unit.recorder import record
from tests.unit.stackfiles import ROOT, config_of, raw

VERSION = {"version": "v1.35.6+k3s1"}


def lines(overrides: Mapping[str, object]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", overrides))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_no_add_on_waits_for_itself_by_way_of_others() -> None:
    before = {
        key: (*kind.after, *(STORAGE if kind.stores is not Kind.stores else ()))
        for key, kind in KINDS.items()
    }
    assert set(TopologicalSorter(before).static_order()) >= set(before)


def test_a_changed_secret_or_config_map_is_not_taken_away_from_its_pods_first() -> None:
    provider = run_dev({"addons": {"prometheus": {}}}).resources["dev-kubernetes"]
    assert provider.inputs["clusterIdentifier"] == "dev"
    assert provider.inputs["enableSecretMutable"] == "true"
    assert provider.inputs["enableConfigMapMutable"] == "true"


def test_a_release_keeps_ten_revisions_and_not_all_there_were() -> None:
    releases = run_dev({"addons": {"prometheus": {}, "certManager": {}}}).registrations
    kept = [r.inputs["maxHistory"] for r in releases if r.type == "kubernetes:helm.sh/v3:Release"]
    assert kept == [10, 10]


def test_every_add_on_of_the_table_is_a_setting() -> None:
    fields = {field.alias or name for name, field in Addons.model_fields.items()}
    assert set(KINDS) <= fields


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("localPath", "local-storage"),
        ("servicelb", "servicelb"),
        ("metricsServer", "metrics-server"),
    ],
)
def test_a_part_of_k3s_is_left_out_of_it(setting: str, part: str) -> None:
    config = run_dev({"addons": {setting: False}, "k3s": VERSION})
    assert f"disable:\n- {part}\n" in config.resources["dev-server-1-install"].inputs["stdin"]
    config = run_dev({"addons": {setting: True}, "k3s": VERSION})
    assert "disable:" not in config.resources["dev-server-1-install"].inputs["stdin"]


def test_a_part_that_is_asked_for_and_left_out_is_told() -> None:
    given = {"addons": {"localPath": True}, "k3s": {**VERSION, "disable": ["local-storage"]}}
    assert lines(given) == [
        "addons.localPath: True — k3s.disable, or an add-on that takes its place, leaves "
        "local-storage out — leave localPath out, or that"
    ]


def test_references_are_found_and_filled_however_deep() -> None:
    value = {"a": [{"b": {"secret": "one"}}], "c": {"secret": "two", "other": 1}, "d": 5}
    assert list(secret_values.names(value)) == ["one"]
    assert secret_values.filled(value, {"one": "1"}) == {
        "a": [{"b": "1"}],
        "c": {"secret": "two", "other": 1},
        "d": 5,
    }


SECRET = "hunter2-is-confidential"


@pytest.mark.parametrize("text", [f'"{SECRET}"', f'{{"slack": ["{SECRET}"]}}', f"{SECRET}"])
def test_secrets_of_another_form_are_told_without_being_shown(text: str) -> None:
    config = {**config_of("dev"), "k3s:secrets": text}
    told = _refusal(config)
    assert "secrets: a value that is not shown — not an object of names and texts" in told
    assert SECRET not in told


def test_secrets_in_clear_are_told_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stacks.settings.is_config_secret", lambda _: False)
    told = _refusal({**config_of("dev"), "k3s:secrets": json.dumps({"slack": SECRET})})
    assert "secrets: a value in clear — who reads the stack file could use them" in told
    assert SECRET not in told


def _refusal(config: Mapping[str, str]) -> str:
    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    with pytest.raises(pulumi.RunError) as caught:
        record(program, config)
    return str(caught.value)
