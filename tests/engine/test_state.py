"""Checkpoint and journal: what a kill at any moment leaves is what was done until then."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.engine import backend, journal, resources
from lab.engine.backend import StackFiles
from lab.engine.crypter import Crypter
from lab.engine.errors import EngineError
from lab.engine.resources import Resource
from lab.engine.snapshot import normalize
from lab.engine.state import State
from lab.engine.values import secret

CRYPTER = Crypter.with_new_salt("a passphrase for tests")
MANY = 300


def thing(name: str, **fields: Any) -> Resource:
    return Resource(f"urn:pulumi:dev::p::a:b:C::{name}", True, "a:b:C", **fields)


def open_files(folder: Path) -> StackFiles:
    return backend.open_stack(f"file://{folder}", "p", "dev")


def open_state(files: StackFiles) -> State:
    state = State(files, CRYPTER, dry=False)
    state.open()
    return state


def as_documents(state: State) -> list[dict[str, Any]]:
    return normalize([resources.to_json(r, CRYPTER) for r in state.resources()])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "drop", "change", "begin", "end", "checkpoint", "replace"]),
        st.integers(0, 100),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(before=st.integers(0, 4), steps=STEPS)
def test_checkpoint_and_journal_always_give_what_the_run_has(
    before: int, steps: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = open_files(Path(folder))
        first = open_state(files)
        for number in range(before):
            first.commit(add=thing(f"old-{number}", outputs={"s": secret(f"text {number}")}))
        first.close()
        state = open_state(files)
        begun: list[Any] = []
        for count, (what, choice) in enumerate(steps):
            play(state, begun, what, choice, count)
            deployment, _ = journal.load(files)
            assert deployment is not None
            assert normalize(deployment.get("resources") or []) == as_documents(state)
            pending = [o["resource"]["urn"] for o in deployment.get("pending_operations") or []]
            assert pending == [o.resource.urn for o in begun]


def play(state: State, begun: list[Any], what: str, choice: int, count: int) -> None:
    old = [r for r in state.old if not state.is_gone(r)]
    if what == "add":
        state.commit(add=thing(f"new-{count}", inputs={"s": secret(str(count))}))
    elif what == "drop" and old:
        state.commit(drop=[old[choice % len(old)]])
    elif what == "replace" and old:
        state.commit(drop=[old[choice % len(old)]], add=thing(f"new-{count}"))
    elif what == "change" and (every := state.resources()):
        chosen = every[choice % len(every)]
        chosen.outputs = {"changed": count}
        state.commit(changed=[chosen])
    elif what == "begin":
        begun.append(state.begin(thing(f"pending-{count}"), "creating"))
    elif what == "end" and begun:
        state.commit(begun.pop(choice % len(begun)))
    elif what == "checkpoint":
        state.checkpoint()


def test_the_work_for_a_step_does_not_grow_with_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    write = backend.write_private

    def counted(file: Path, content: bytes) -> None:
        written.append(file)
        write(file, content)

    monkeypatch.setattr(backend, "write_private", counted)
    files = open_files(tmp_path)
    state = open_state(files)
    started = time.monotonic()
    for number in range(MANY):
        state.commit(state.begin(thing(f"t{number}"), "creating"), add=thing(f"t{number}"))
    seconds = time.monotonic() - started
    checkpoints = written.count(files.checkpoint)
    assert checkpoints <= 2 + seconds
    state.close()
    assert (
        len(json.loads(files.checkpoint.read_text())["checkpoint"]["latest"]["resources"]) == MANY
    )


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    state = open_state(files)
    state.commit(add=thing("a"))
    kept = [f for f in files.root.rglob("*") if f.is_file()]
    assert {files.checkpoint, files.journal} <= set(kept)
    for file in kept:
        assert file.stat().st_mode & 0o077 == 0, file
    state.close()


def test_a_kill_between_checkpoint_and_journal_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(tmp_path)
    state = open_state(files)
    state.commit(add=thing("a"))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(journal.Journal, "settle", killed)
    with pytest.raises(KeyboardInterrupt):
        state.checkpoint()
    assert [r.urn for r in State(files, CRYPTER, dry=True).resources()] == [thing("a").urn]


def test_a_kill_before_the_checkpoint_is_in_place_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files(tmp_path)
    state = open_state(files)
    state.commit(add=thing("a"))
    write = backend.write_private

    def killed(file: Path, content: bytes) -> None:
        if file == files.checkpoint:
            raise KeyboardInterrupt
        write(file, content)

    monkeypatch.setattr(backend, "write_private", killed)
    with pytest.raises(KeyboardInterrupt):
        state.checkpoint()
    assert [r.urn for r in State(files, CRYPTER, dry=True).resources()] == [thing("a").urn]


def test_a_preview_writes_nothing(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    state = State(files, CRYPTER, dry=True)
    state.open()
    state.commit(state.begin(thing("a"), "creating"), add=thing("a"))
    state.close()
    assert not files.checkpoint.exists()
    assert not files.journal.exists()


def test_a_field_that_older_clis_do_not_know_is_announced_as_they_expect(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    twin = {"urn": "b", "replaceWith": ["a"]}
    for resources_, head in (
        ([{"urn": "a"}], {"version": 3}),
        ([{"urn": "a"}, twin], {"version": 4, "features": ["replaceWith"]}),
    ):
        raw = backend.encode_checkpoint(files, {"resources": resources_})
        document = json.loads(raw)
        del document["checkpoint"]
        assert document == head
        backend.write_private(files.checkpoint, raw)
        assert backend.read_checkpoint(files)[0] == {"resources": resources_}


REFUSED = {
    "another layout": ("meta.yaml", "version: 0\n", "version: 0"),
    "a compressed checkpoint": ("stacks/p/dev.json.gz", "", "compressed"),
    "not a checkpoint": ("stacks/p/dev.json", "[]", "not a checkpoint"),
    "another version": ("stacks/p/dev.json", '{"version":5,"checkpoint":{}}', "version 5"),
    "a feature of newer CLIs": (
        "stacks/p/dev.json",
        '{"version":4,"features":["replaceWith","taint"],"checkpoint":{}}',
        "the features taint",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_state_of_another_form_is_refused_by_name(tmp_path: Path, what: str) -> None:
    place, content, message = REFUSED[what]
    file = tmp_path / ".pulumi" / place
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(EngineError, match=message):
        State(open_files(tmp_path), CRYPTER, dry=True)
