"""Podman is asked for what it says of itself, and its words are told with what to do."""

import os
from pathlib import Path

import pytest

from tools import podman
from tools.messages import ToolError


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A podman, and a sudo that lets everybody; a test writes what they do."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    write(tmp_path / "sudo", 'shift; exec "$@"')
    return tmp_path


def write(program: Path, text: str) -> None:
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("user", [0, 1000])
def test_with_roots_rights_nothing_is_said(
    stub: Path, user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    write(stub / "podman", "echo false")
    podman.check()


@pytest.mark.parametrize("words", ["echo true", "echo 'cannot clone: denied' >&2; exit 125"])
def test_root_without_rights_is_told_so(
    stub: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    write(stub / "podman", words)
    with pytest.raises(ToolError) as caught:
        podman.check()
    said = str(caught.value)
    assert said.startswith("podman — nodes on this machine need it as root, and it does not work")
    assert said.endswith(
        "— run this as root of the machine itself, or in a container that is privileged"
    )
    assert ("cannot clone: denied" in said) == ("clone" in words)


def test_a_user_whom_sudo_refuses_is_told_the_way_out(
    stub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    write(stub / "sudo", "echo 'sudo: a password is required' >&2; exit 1")
    with pytest.raises(ToolError, match=r"a password is required — run `sudo -v`, then the same"):
        podman.check()


def test_a_user_without_sudo_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match="this is not root, and there is no sudo — run it as root"):
        podman.check()
