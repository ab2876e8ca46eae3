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
    # lib.sh sets the shell's options, turn.sh waits for its turn, and parts may set constants.
    lines = re.sub(r"^\w+\(\) \{\n.*?^\}$", "", script.read_text(), flags=re.DOTALL | re.MULTILINE)
    for line in lines.splitlines():
        said = r"#|\s*$|\w+\(\) \{.*\}$|\w+=|set -eu$|umask |export \w+$|take_turn </dev/null$"
        assert re.match(said, line), line


LIB = ROOT / "components" / "k3s" / "scripts" / "lib.sh"
# Time passes in naps alone; five short ones make a second. WHOLE: sleep takes no part of a second.
CLOCK = """
fifths=0
date() { echo $((1000 + fifths / 5)); }
sleep() {
    case $1 in
        1) fifths=$((fifths + 5)) ;;
        *) [ -z "$WHOLE" ] || return 1; fifths=$((fifths + 1)) ;;
    esac
}
asked=0
comes() { asked=$((asked + 1)); [ "$asked" -gt "$AFTER" ]; }
"""


@pytest.mark.parametrize(
    ("waits", "after", "whole", "told"),
    [
        ("wait_for 60", 3, "", "there after 3 s, asked 4 times"),
        ("wait_for 60", 99, "", "not there after 60 s, asked 61 times"),
        ("wait_closely_for 60", 3, "", "there after 0 s, asked 4 times"),
        # Fifteen seconds closely, then as the other.
        ("wait_closely_for 60", 80, "", "there after 20 s, asked 81 times"),
        ("wait_closely_for 60", 999, "", "not there after 60 s, asked 121 times"),
        ("wait_closely_for 60", 3, "yes", "there after 3 s, asked 4 times"),
    ],
)
def test_a_wait_is_bounded_and_close_only_to_begin_with(
    waits: str, after: int, whole: str, told: str
) -> None:
    ends = 'echo "${not}there after $(($(date) - 1000)) s, asked $asked times"'
    assert (
        run(
            f"WHOLE={whole} AFTER={after}\n{LIB.read_text()}{CLOCK}not=''\n"
            f"{waits} comes || not='not '\n{ends}\n"
        )
        == f"{told}\n"
    )
