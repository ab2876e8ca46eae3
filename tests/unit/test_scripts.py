"""How scripts and secrets get to where they run."""

import re
import subprocess
from pathlib import Path

import pytest

from components import scripts
from tests.unit.stackfiles import ROOT

SHELL = sorted(ROOT.glob("components/**/scripts/*.sh"))


def run(text: str, *arguments: str) -> str:
    return subprocess.run(
        ["sh", "-s", "--", *arguments], input=text, capture_output=True, text=True, check=True
    ).stdout


def test_any_value_arrives_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text('main() { printf "%s" "$VALUE"; }\nmain "$@" </dev/null\n')
    value = 'it\'s $HOME `id` \\ "quoted"\nsecond line\n'
    assert run(scripts.compose([script], {"VALUE": value})) == value


def test_a_child_that_reads_does_not_eat_the_rest_of_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text('main() { cat; echo "$1 done"; }\nmain "$@" </dev/null\n')
    assert run(scripts.compose([script], {}), "create") == "create done\n"


def test_a_value_does_not_reach_the_environment_of_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_KEY", "exported by the operator")
    script = tmp_path / "script.sh"
    script.write_text('main() { env | grep -c "^HOST_KEY=" || true; }\nmain "$@" </dev/null\n')
    assert run(scripts.compose([script], {"HOST_KEY": "secret"})) == "0\n"


@pytest.mark.parametrize("name", ["lower", "A-B", "1A", "A B"])
def test_what_is_no_variable_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="upper-case shell variable name"):
        scripts.compose([], {name: "x"})


def test_the_command_is_bounded_in_time_and_runs_as_root() -> None:
    assert scripts.command("create", "install:n", user="root", seconds=60) == (
        "timeout -k 10 60 sh -s -- create install:n"
    )
    assert scripts.command("create", "install:n", user="ubuntu", seconds=60).startswith("sudo -n ")


# Those without a main() are parts: functions of others.
MAINS = [path for path in SHELL if "\nmain() {" in path.read_text()]


@pytest.mark.parametrize("script", MAINS, ids=lambda path: path.name)
def test_every_script_protects_itself_from_its_children(script: Path) -> None:
    assert script.read_text().endswith('\nmain "$@" </dev/null\n')


@pytest.mark.parametrize(
    "script", [path for path in SHELL if path not in MAINS], ids=lambda path: path.name
)
def test_a_part_only_says_what_others_may_do(script: Path) -> None:
    # lib.sh sets the shell's options, and parts may set constants.
    lines = re.sub(r"^\w+\(\) \{\n.*?^\}$", "", script.read_text(), flags=re.DOTALL | re.MULTILINE)
    for line in lines.splitlines():
        assert re.match(r"#|\s*$|\w+\(\) \{.*\}$|\w+=|set -eu$|umask |export \w+$", line), line
