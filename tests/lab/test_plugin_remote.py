"""remote.Command: what runs on a host over SSH."""

from pathlib import Path

import grpc
import pytest

from lab.engine.values import Properties, secret
from tests.lab.plugin_host import Plugin, error_of, outlives, wait_until_gone
from tests.lab.ssh_host import SshHost

REMOTE = "command:remote:Command"


def test_a_command_runs_with_its_stdin_and_gives_its_output(command: Plugin, host: SshHost) -> None:
    script = "cat; echo err >&2; echo"
    inputs = {"create": script, "stdin": "in", "connection": host.connection()}
    state = command.make(REMOTE, inputs)
    assert (state["stdout"], state["stderr"]) == ("in", "err")
    assert set(command.engine.status_lines()) == {"in", "err"}


def test_logging_none_shows_nothing(command: Plugin, host: SshHost) -> None:
    inputs = {"create": "echo token", "logging": "none", "connection": host.connection()}
    assert command.make(REMOTE, inputs)["stdout"] == "token"
    assert not command.engine.messages


def test_a_preview_dials_nobody(command: Plugin, host: SshHost) -> None:
    before = host.events()
    inputs = {"create": "true", "connection": host.connection()}
    command.create(REMOTE, inputs, preview=True)
    command.update(REMOTE, {**inputs, "stdout": "", "stderr": ""}, inputs, preview=True)
    command.diff(REMOTE, inputs, inputs)
    command.read(REMOTE, inputs, inputs)
    assert host.events() == before


def test_nothing_is_dialled_for_a_resource_without_commands(command: Plugin, host: SshHost) -> None:
    before = host.events()
    state = command.make(REMOTE, {"connection": host.connection()})
    command.delete(REMOTE, state)
    assert host.events() == before


def test_update_and_delete_run_their_own_commands(
    command: Plugin, host: SshHost, tmp_path: Path
) -> None:
    inputs = {
        "create": "echo created",
        "update": "echo updated",
        "delete": f"touch {tmp_path}/deleted",
        "connection": host.connection(),
    }
    state = command.make(REMOTE, inputs)
    assert command.update(REMOTE, state, inputs)["stdout"] == "updated"
    command.delete(REMOTE, state)
    assert (tmp_path / "deleted").exists()


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ("exit 3", "Process exited with status 3"),
        ("kill -KILL $$", "Process exited with status 137 from signal KILL"),
    ],
)
def test_a_failure_tells_cause_command_and_output(
    command: Plugin, host: SshHost, end: str, cause: str
) -> None:
    script = f"echo out; echo err >&2; {end}"
    text = error_of(
        lambda: command.make(REMOTE, {"create": script, "connection": host.connection()})
    )
    head, output = text.split("\n", 1)
    assert head == f'{cause}: running "{script}":'
    assert sorted(output.splitlines()) == ["err", "out"]


def test_a_failure_does_not_show_stdin(command: Plugin, host: SshHost) -> None:
    inputs = {"create": "cat >/dev/null; false", "stdin": secret("s3cret")}
    inputs |= {"connection": host.connection()}
    assert "s3cret" not in error_of(lambda: command.make(REMOTE, inputs))


def test_variables_reach_the_command(command: Plugin, host: SshHost) -> None:
    environment = {"OK_A": "a b", "OK_B": "ä"}
    inputs = {"create": "echo $OK_A,$OK_B", "environment": environment}
    inputs |= {"connection": host.connection()}
    assert command.make(REMOTE, inputs)["stdout"] == "a b,ä"


def test_a_variable_that_the_server_refuses_is_an_error_and_nothing_runs(
    command: Plugin, host: SshHost, tmp_path: Path
) -> None:
    inputs: Properties = {"create": f"touch {tmp_path}/ran", "connection": host.connection()}
    inputs |= {"environment": {"PATH": "/evil"}}
    text = error_of(lambda: command.make(REMOTE, inputs))
    assert "could not set environment variable 'PATH'" in text
    assert "AcceptEnv" in command.engine.messages[0].message
    assert not list(tmp_path.iterdir())


def test_previous_output_that_the_server_refuses_is_a_warning(
    command: Plugin, host: SshHost
) -> None:
    inputs = {"create": "echo new", "connection": host.connection()}
    state = {**inputs, "stdout": "old", "stderr": ""}
    assert command.update(REMOTE, state, inputs)["stdout"] == "new"
    (warning, *_) = command.engine.messages
    assert "PULUMI_COMMAND_STDOUT" in warning.message
    assert not warning.ephemeral


def test_large_input_and_output_arrive_whole(command: Plugin, host: SshHost) -> None:
    text = "\n".join(str(n) for n in range(500_000))
    inputs = {"create": "cat", "stdin": text, "logging": "none"}
    assert command.make(REMOTE, inputs | {"connection": host.connection()})["stdout"] == text


def test_a_command_need_not_read_its_stdin(command: Plugin, host: SshHost) -> None:
    inputs = {"create": "echo done", "stdin": "x" * 5_000_000, "connection": host.connection()}
    assert command.make(REMOTE, inputs)["stdout"] == "done"


def test_fifty_commands_run_at_once(command: Plugin, host: SshHost, tmp_path: Path) -> None:
    """Each waits for all the others, so that they end only if all fifty run together."""
    script = f"touch {tmp_path}/$$; until [ $(ls {tmp_path} | wc -l) = 50 ]; do sleep 0.5; done"
    # One process on the other side answers all the dials.
    inputs = {"create": script, "connection": host.connection(perDialTimeout=200)}
    calls = [command.start_create(REMOTE, inputs) for _ in range(50)]
    assert all(call.result().id for call in calls)


def test_the_time_limit_ends_the_command_on_the_host(
    command: Plugin, host: SshHost, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script = f"echo $$ > {pid}; sleep 600; true"
    inputs = {"create": script, "connection": host.connection()}
    outlives(pid, lambda seconds: command.create(REMOTE, inputs, timeout=seconds))
    wait_until_gone(int(pid.read_text()))


def test_cancel_ends_the_command_on_the_host_and_refuses_more(
    own_command: Plugin, host: SshHost, tmp_path: Path
) -> None:
    script = f"echo $$ > {tmp_path}/pid; echo ready; sleep 600; true"
    call = own_command.start_create(REMOTE, {"create": script, "connection": host.connection()})
    own_command.engine.wait_for("ready")
    own_command.cancel()
    with pytest.raises(grpc.RpcError) as raised:
        call.result()
    assert call.code() is grpc.StatusCode.CANCELLED, raised.value
    wait_until_gone(int((tmp_path / "pid").read_text()))
    later = {"create": "true", "connection": host.connection()}
    assert "cancelled before it began" in error_of(lambda: own_command.create(REMOTE, later))


def test_a_host_that_goes_away_is_told_with_the_output_so_far(
    command: Plugin, host: SshHost
) -> None:
    script = "echo before; kill -KILL $PPID"
    with host.twin() as twin:
        inputs = {"create": script, "connection": twin.connection()}
        text = error_of(lambda: command.make(REMOTE, inputs))
    assert "remote command exited without exit status or exit signal" in text
    assert "before" in text
