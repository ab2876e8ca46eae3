"""Config values as programs get them: the table was read off the official CLI."""

import pytest
import yaml

from lab.engine import scalars
from lab.engine.errors import EngineError

AS_THE_CLI_GIVES_THEM = {
    "5": "5",
    "+5": "5",
    "-0": "0",
    "010": "8",
    "0o17": "15",
    "0x10": "16",
    "0b11": "3",
    "1_000": "1000",
    "12345678901234567890": "12345678901234567890",
    "1.50": "1.5",
    "5.": "5",
    ".5": "0.5",
    "1e3": "1000",
    "1e21": "1e+21",
    "true": "true",
    "True": "true",
    "yes": "yes",
    "on": "on",
    "Off": "Off",
    "null": "",
    "~": "",
    '"5"': "5",
    "22:22": "22:22",
    "52:54:00:12:34:56": "52:54:00:12:34:56",
    "1.2.3": "1.2.3",
    "{}": "{}",
    "[]": "[]",
    "{b: {c: 1}, a: 2}": '{"a":2,"b":{"c":1}}',
    "[1, 1.0, 1.5, 1e3, a, true, null, 0x10, 22:22, yes]": (
        '[1,1,1.5,1000,"a",true,null,16,"22:22","yes"]'
    ),
}


def read(written: str) -> str:
    value = yaml.load(f"key: {written}", Loader=scalars.Loader)["key"]  # noqa: S506 - it is safe
    return scalars.text("k3s:key", value)


@pytest.mark.parametrize("written", AS_THE_CLI_GIVES_THEM)
def test_a_value_reaches_the_program_as_under_the_official_cli(written: str) -> None:
    assert read(written) == AS_THE_CLI_GIVES_THEM[written]


@pytest.mark.parametrize("written", ["2026-01-02", "{since: 2026-01-02}"])
def test_a_date_is_refused_by_its_key(written: str) -> None:
    with pytest.raises(EngineError, match=r"k3s:key: 2026-01-02 .* write it in quotes"):
        read(written)
