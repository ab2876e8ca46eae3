"""`make check` looks at every script, and fails when one check does."""

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
