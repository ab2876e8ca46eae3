"""What `make up` says of nodes that this machine may be too small for."""

from pathlib import Path

import pytest

from tools import inotify
from tools.stackfile import StackFile


def stack(**groups: object) -> StackFile:
    config = {"k3s:platform": "local", "k3s:groups": groups}
    return StackFile("many", Path("Pulumi.many.yaml"), {"config": config})


def said(limit: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], **groups: object) -> str:
    file = tmp_path / "max_user_instances"
    file.write_text(f"{limit}\n", encoding="ascii")
    inotify.warn(stack(**groups), file)
    told = capsys.readouterr()
    return told.out + told.err


def test_nodes_are_counted_by_what_they_are() -> None:
    servers = {"role": "server", "count": 3}
    agents = {"role": "agent", "nodes": ["a", "b"]}
    assert inotify.needed({"server": servers, "agent": agents}) == 3 * 24 + 2 * 13 + 6
    assert inotify.needed({"odd": {"role": "server", "count": "many"}}) == 6


def test_more_nodes_than_there_is_room_for_are_told_with_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = {"role": "server", "count": 7}
    told = said(128, tmp_path, capsys, server=servers)
    assert "fs.inotify.max_user_instances is 128 here, and the nodes of many need some 174" in told
    assert "sysctl -w fs.inotify.max_user_instances=512" in told


def test_nothing_is_said_where_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(128, tmp_path, capsys, server={"role": "server", "count": 5}) == ""
