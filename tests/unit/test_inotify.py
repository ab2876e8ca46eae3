"""The host's bound of inotify instances while nodes are tested."""

from pathlib import Path

import pytest

from tests.inotify import ENOUGH, raised


@pytest.mark.parametrize(("before", "within"), [(128, ENOUGH), (ENOUGH + 1, ENOUGH + 1)])
def test_a_small_bound_is_raised_and_put_back(tmp_path: Path, before: int, within: int) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text(f"{before}\n")
    with raised(limit):
        assert int(limit.read_text()) == within
    assert limit.read_text() == f"{before}\n"


def test_a_bound_is_put_back_after_a_failure(tmp_path: Path) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")

    def fail() -> None:
        with raised(limit):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert limit.read_text() == "128\n"


def test_a_bound_that_cannot_be_raised_stays_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "128\n")
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.warns(UserWarning, match=r"stays 128 .*Read-only file system"), raised():
        pass
