"""`make check` looks at every script, and fails when one check does."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import check
from tools.check import Check


def test_shell_scripts_are_found_by_suffix_and_by_first_line(tmp_path: Path) -> None:
    files = {
        "a.sh": "echo a\n",
        "bin/run": "#!/bin/sh\necho b\n",
        "bin/python": "#!/usr/bin/env python3\n",
        "notes.txt": "#!/bin/sh\n",
        ".venv/activate.sh": "echo no\n",
        ".state/x.sh": "echo no\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    found = {str(path.relative_to(tmp_path)) for path in check.shell_scripts(tmp_path)}

    assert found == {"a.sh", "bin/run"}


WORKFLOW = """\
on: push
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - run: {script}
"""


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on the PATH")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo "$HOME"', None),
        ("echo $HOME", "SC2086"),
        ("echo ${{ steps.none.outputs.x }}", 'property "none" is not defined'),
    ],
)
def test_workflows_are_checked_and_the_shell_in_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str | None
) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "one.yaml").write_text(WORKFLOW.replace("{script}", script))
    monkeypatch.setattr(check, "workflows", lambda _: [folder / "one.yaml"])
    (actionlint,) = [each for each in check.CHECKS if each.title == "actionlint"]

    done = subprocess.run(
        actionlint.command(),
        cwd=actionlint.folder,
        env=actionlint.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode == 0) == (said is None), done.stdout + done.stderr
    assert (said or "") in done.stdout


def test_every_workflow_is_found(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for name in ("a.yml", "b.yaml", "notes.md"):
        (folder / name).touch()

    assert check.workflows(tmp_path) == [folder / "a.yml", folder / "b.yaml"]
    assert len(check.workflows(check.CLONE)) == 3


def program(text: str) -> Check:
    return Check("a check", lambda: [sys.executable, "-c", text])


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([program("print('fine')")], 0),
        ([program("print('fine')"), program("exit('line 3 is wrong')")], 1),
    ],
)
def test_one_check_that_fails_fails_all_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checks: list[Check],
    code: int,
) -> None:
    monkeypatch.setattr(check, "CHECKS", checks)

    assert check.run() == code
    said = capsys.readouterr().err
    assert said.count("ok   a check") == 1
    assert ("line 3 is wrong" in said) == bool(code)
    assert ("make check: 1 of 2 checks failed" in said) == bool(code)


def test_a_check_that_lists_what_is_wrong_fails_by_what_it_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lister = [sys.executable, "-c", "print('unformatted.go')"]
    monkeypatch.setattr(check, "CHECKS", [Check("gofmt", lambda: lister, any_output_fails=True)])

    assert check.run() == 1
