"""What the user sees, and what must not be seen."""

import json
import os
import pty
import select
import subprocess
import time

from tests.engine.workspace import CLONE, Workspace

SECRETS = """
import pulumi
from things import *

config = pulumi.Config()
pin = config.require_secret("pin")
a = Thing("a", key="k", value=pin, say=pulumi.Output.concat("the pin is ", pin))
pulumi.log.info("told by the program")
pin.apply(lambda p: print(f"printed: {p}"))
pulumi.export("pin", pin)
pulumi.export("plain", {"a": [1, "two", None]})
pulumi.export("within", {"user": "me", "pin": pin})
"""


def test_secrets_are_never_shown(workspace: Workspace) -> None:
    workspace.write_program(SECRETS)
    workspace.configure({"scenario:pin": {"secret": "canary-4711"}})
    shown = [workspace.lab(command).said for command in ("preview", "up", "up", "outputs")]
    assert "a: making [secret]" in shown[1]
    assert "printed: [secret]" in shown[1]
    assert "told by the program" in shown[1]
    assert "canary-4711" not in "".join(shown)
    workspace.configure({"scenario:pin": {"secret": "canary-0815"}})
    files = [f.read_text() for f in workspace.backend.rglob("*") if f.is_file()]
    assert "canary" not in "".join(files)


def test_outputs_are_a_table_with_secrets_masked_unless_asked_for(workspace: Workspace) -> None:
    workspace.write_program(SECRETS)
    workspace.configure({"scenario:pin": {"secret": "canary-4711"}})
    workspace.lab("up")
    table = workspace.lab("outputs").said.splitlines()
    assert [line.split()[0] for line in table] == ["output", "pin", "plain", "within"]
    assert table[1].split()[1] == "[secret]"
    within = {"user": "me", "pin": "[secret]"}
    masked = json.loads(workspace.lab("outputs", "--json").said)
    assert masked == {"pin": "[secret]", "plain": {"a": [1, "two", None]}, "within": within}
    clear = json.loads(workspace.lab("outputs", "--json", "--show-secrets").said)
    assert clear["within"] == {"user": "me", "pin": "canary-4711"}


def test_outputs_of_no_stack_are_an_error_that_says_what_to_run(workspace: Workspace) -> None:
    workspace.write_program("")
    done = workspace.lab("outputs")
    assert done.code == 1
    assert "run up first" in done.said


def test_each_step_has_a_line_at_its_start_and_end_and_the_counts_come_last(
    workspace: Workspace,
) -> None:
    workspace.write_program('from things import *\nThing("a", key="k", value="1")\n')
    lines = workspace.lab("up").said.splitlines()
    assert any(line.split() == ["create", "pyp:index:Thing", "a"] for line in lines)
    assert any("create" in line and "Thing a done" in line and " s" in line for line in lines)
    assert lines[-1].startswith("up done: 3 created; ")
    assert workspace.lab("up").said.splitlines()[-1].startswith("up done: 3 unchanged; ")


def test_an_error_begins_with_the_resources_name_and_the_run_ends_in_failure(
    workspace: Workspace,
) -> None:
    workspace.write_program('from things import *\nThing("a", key="k", fail="create")\n')
    done = workspace.lab("up")
    assert done.code == 1
    assert "error: a: pyp.Create: create failed as asked" in done.said
    assert done.said.count("create failed as asked") == 1
    assert "up FAILED" in done.said.splitlines()[-1]


def test_on_a_terminal_running_steps_are_shown_with_their_seconds(workspace: Workspace) -> None:
    workspace.write_program(
        'import os\nfrom things import *\nThing("slow-one", key="k", wait=os.environ["GATE"])\n'
    )
    master, slave = pty.openpty()
    gate = workspace.db / "open"
    run = subprocess.Popen(
        workspace.lab_command("up"),
        cwd=CLONE,
        env={**os.environ, **workspace.environment, "GATE": str(gate), "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    deadline = time.monotonic() + 300
    try:
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    seen += os.read(master, 4096)
                except OSError:  # the other end was closed
                    break
            shown = b"slow-one" in seen and b" s" in seen.partition(b"slow-one")[2]
            if shown and not gate.exists():
                gate.touch()
        assert run.wait(120) == 0
    finally:
        run.kill()
        os.close(master)
    assert b"up done: 3 created" in seen
