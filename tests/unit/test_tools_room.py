"""A file system that is full is told of before anything is written on it."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from tools import room
from tools.messages import ToolError

Usage = namedtuple("Usage", "total used free")


def test_room_enough_is_not_spoken_of(tmp_path: Path) -> None:
    room.check(tmp_path, tmp_path / "to" / "be" / "made")


def test_a_full_file_system_is_named_with_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**30, 2**30, 3 * 2**20))
    with pytest.raises(ToolError) as caught:
        room.check(tmp_path / "state")
    assert str(caught.value) == (
        f"{tmp_path}/state — 3 MiB are free there, and what is written of a stack needs 64 MiB — "
        f"free some, see: df -h {tmp_path}"
    )
