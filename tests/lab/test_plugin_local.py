"""local.Command: what runs where the engine runs."""

import os
from pathlib import Path
from typing import Any

import pytest

from lab.engine.values import UNKNOWN, secret
from tests.lab.plugin_host import Plugin, error_of, outlives, wait_until_gone

LOCAL = "command:local:Command"


def test_output_comes_without_its_last_newline(command: Plugin) -> None:
    state = command.make(LOCAL, {"create": "echo out; echo; echo err >&2"})
    assert (state["stdout"], state["stderr"]) == ("out\n", "err")


def test_the_id_is_the_name_and_eight_digits(command: Plugin) -> None:
    id_, _ = command.create(LOCAL, {"create": "true"})
    assert id_.startswith("it")
    assert len(bytes.fromhex(id_.removeprefix("it"))) == 4


def test_nothing_runs_where_nothing_is_given(command: Plugin) -> None:
    state = command.make(LOCAL, {"delete": "false"})
    assert state == {"delete": "false", "stdout": "", "stderr": ""}


def test_stdin_environment_interpreter_and_dir_reach_the_command(
    command: Plugin, tmp_path: Path
) -> None:
    state = command.make(
        LOCAL,
        {
            "create": "import os, sys; print(sys.stdin.read(), os.environ['A'], os.getcwd())",
            "interpreter": ["python3", "-c"],
            "stdin": "given",
            "environment": {"A": "b c"},
            "dir": str(tmp_path),
        },
    )
    assert state["stdout"] == f"given b c {tmp_path}"


def test_the_plugin_adds_nothing_to_the_environment(command: Plugin) -> None:
    state = command.make(LOCAL, {"create": "env"})
    names = {line.partition("=")[0] for line in state["stdout"].splitlines()}
    assert names - os.environ.keys() <= {"PWD", "SHLVL", "_", "OLDPWD"}


def test_a_command_without_stdin_reads_its_end(command: Plugin) -> None:
    assert command.make(LOCAL, {"create": "cat; echo read"})["stdout"] == "read"


def test_a_command_need_not_read_its_stdin(command: Plugin) -> None:
    assert command.make(LOCAL, {"create": "true", "stdin": "x" * 10_000_000})["stdout"] == ""


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("echo out; echo err >&2; exit 3", "exit status 3"),
        ("echo out; echo err >&2; kill -KILL $$", "signal: killed"),
    ],
)
def test_a_failure_tells_cause_command_and_output(command: Plugin, script: str, cause: str) -> None:
    text = error_of(lambda: command.make(LOCAL, {"create": script}))
    head, output = text.split("\n", 1)
    assert head == f'{cause}: running "{script}":'
    assert sorted(output.splitlines()) == ["err", "out"]


def test_a_command_is_quoted_as_go_does(command: Plugin) -> None:
    text = error_of(lambda: command.make(LOCAL, {"create": 'echo "ä\t\x01"\nfalse'}))
    assert text.startswith(r'exit status 1: running "echo \"ä\t\x01\"\nfalse":')


def test_an_interpreter_that_is_not_there_is_named(command: Plugin) -> None:
    text = error_of(lambda: command.make(LOCAL, {"create": "x", "interpreter": ["/no/such"]}))
    assert text.startswith('/no/such: no such file or directory: running "x"')


def test_a_long_error_is_whole_in_the_log_and_shortened_in_the_answer(command: Plugin) -> None:
    script = "echo begin; seq 100000; echo the end; exit 7"
    text = error_of(lambda: command.make(LOCAL, {"create": script, "logging": "none"}))
    assert text.startswith("exit status 7: running")
    assert "shown in the log" in text
    assert text.rstrip().endswith("the end")
    (message,) = [m.message for m in command.engine.messages]
    assert "\n50000\n" in message


def test_update_runs_update_else_create_and_keeps_output_where_there_is_neither(
    command: Plugin,
) -> None:
    state = {"create": "echo 1", "stdout": "1", "stderr": ""}
    both = {"create": "echo 2", "update": "echo 3"}
    assert command.update(LOCAL, state, both)["stdout"] == "3"
    assert command.update(LOCAL, state, {"create": "echo 2"})["stdout"] == "2"
    assert command.update(LOCAL, state, {"delete": "echo 4"})["stdout"] == "1"


def test_update_and_delete_see_the_previous_output(command: Plugin, tmp_path: Path) -> None:
    show = f'echo "$PULUMI_COMMAND_STDOUT,$PULUMI_COMMAND_STDERR" | tee {tmp_path}/seen'
    state = {"create": show, "delete": show, "stdout": "o", "stderr": "e"}
    assert command.update(LOCAL, state, {"create": show})["stdout"] == "o,e"
    without = {"create": show, "addPreviousOutputInEnv": False}
    assert command.update(LOCAL, state, without)["stdout"] == ","
    command.delete(LOCAL, state)
    assert (tmp_path / "seen").read_text() == "o,e\n"


@pytest.mark.parametrize(
    ("logging", "lines"),
    [
        (None, {"out", "err", "last"}),
        ("stdoutAndStderr", {"out", "err", "last"}),
        ("stdout", {"out", "last"}),
        ("stderr", {"err"}),
        ("none", set()),
    ],
)
def test_logging_says_which_output_is_shown(
    command: Plugin, logging: str | None, lines: set[str]
) -> None:
    inputs = {"create": "echo out; echo err >&2; printf last"}
    state = command.make(LOCAL, inputs | ({"logging": logging} if logging else {}))
    assert (state["stdout"], state["stderr"]) == ("out\nlast", "err")
    assert set(command.engine.status_lines()) == lines
    assert {m.urn for m in command.engine.messages} <= {command.urn(LOCAL)}


def test_output_is_shown_while_the_command_runs(command: Plugin, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    request = command.start_create(LOCAL, {"create": f"echo ready; cat {fifo}"})
    command.engine.wait_for("ready")
    fifo.write_text("went")
    assert request.result().properties["stdout"] == "ready\nwent"


def test_large_output_is_kept_whole(command: Plugin) -> None:
    state = command.make(LOCAL, {"create": "seq 300000"})
    numbers = [str(n) for n in range(1, 300001)]
    assert state["stdout"].split("\n") == numbers
    assert command.engine.status_lines() == numbers


def test_secret_inputs_stay_secret_and_outputs_are_not(command: Plugin) -> None:
    state = command.make(LOCAL, {"create": secret("cat"), "stdin": secret("s3cret")})
    assert state["create"] == secret("cat")
    assert state["stdin"] == secret("s3cret")
    assert state["stdout"] == "s3cret"


def test_a_preview_runs_nothing_and_knows_no_output(command: Plugin, tmp_path: Path) -> None:
    inputs = {"create": f"touch {tmp_path}/ran", "update": f"touch {tmp_path}/ran"}
    id_, state = command.create(LOCAL, inputs, preview=True)
    assert not id_
    assert state == {**inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}
    old = {**inputs, "create": "old", "stdout": "o", "stderr": "e"}
    assert command.update(LOCAL, old, inputs, preview=True)["stdout"] == UNKNOWN
    assert not list(tmp_path.iterdir())


def test_the_preview_of_an_update_knows_output_while_no_known_input_changed(
    command: Plugin,
) -> None:
    old = {"create": "a", "stdout": "o", "stderr": "e"}
    same = command.update(LOCAL, old, {"create": "a"}, preview=True)
    added = command.update(LOCAL, old, {"create": "a", "stdin": "new"}, preview=True)
    removed = command.update(LOCAL, {**old, "stdin": "x"}, {"create": "a"}, preview=True)
    unknown = command.update(LOCAL, old, {"create": "a", "stdin": UNKNOWN}, preview=True)
    assert [same["stdout"], added["stdout"]] == ["o", "o"]
    assert [removed["stdout"], unknown["stdout"]] == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaces"),
    [
        ({"create": "a"}, {"create": "a"}, [], []),
        ({"create": "a"}, {"create": "b"}, ["create"], []),
        ({"create": "a"}, {"create": secret("a")}, ["create"], []),
        ({"triggers": [1]}, {"triggers": [2]}, ["triggers[0]"], ["triggers[0]"]),
        ({}, {"triggers": [2]}, ["triggers"], ["triggers"]),
        ({"triggers": [{"a": 1}]}, {"triggers": [{"a": 2}]}, ["triggers[0].a"], ["triggers[0].a"]),
        ({"environment": {"A": "1"}}, {"environment": {}}, ["environment.A"], []),
        ({"environment": {"a.b": "1"}}, {"environment": {}}, ['environment["a.b"]'], []),
        ({"stdin": secret("a")}, {"stdin": secret("b")}, ["stdin"], []),
        ({"stdin": secret({"a": secret("b")})}, {"stdin": secret({"a": "b"})}, [], []),
    ],
)
def test_triggers_alone_replace(
    command: Plugin, old: Any, new: Any, changed: list[str], replaces: list[str]
) -> None:
    response = command.diff(LOCAL, old, new)
    assert sorted(response.detailedDiff) == sorted(response.diffs) == changed
    assert list(response.replaces) == replaces
    assert not response.deleteBeforeReplace


def test_the_time_limit_ends_the_command_and_its_children(command: Plugin, tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sleep 600 & echo $! > {child}; wait"
    outlives(child, lambda seconds: command.create(LOCAL, {"create": script}, timeout=seconds))
    wait_until_gone(int(child.read_text()))


def test_a_command_that_ignores_termination_is_killed(command: Plugin, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {pid}; while :; do sleep 600; done"
    outlives(pid, lambda seconds: command.create(LOCAL, {"create": script}, timeout=seconds))
    wait_until_gone(int(pid.read_text()))


def test_the_function_runs_its_command_at_once(command: Plugin) -> None:
    result = command.invoke("command:local:run", {"command": "cat", "stdin": "given"})
    assert result == {"command": "cat", "stdin": "given", "stdout": "given", "stderr": ""}


def test_the_function_checks_its_arguments(command: Plugin) -> None:
    command.invoke("command:local:run", {"create": "true"})
    assert sorted(command.failures) == ["command", "create"]
