"""What only root can install. Small scripts stand for apt-get, the edge of the project."""

import os
from pathlib import Path

import pytest

from tools import packages
from tools.messages import ToolError

# Installs by making an empty program; fails until there was an update.
APT = """#!/bin/sh
echo "$*" >>"{folder}/apt"
case "$*" in
*update*) touch "{folder}/updated" ;;
*) [ -e "{folder}/updated" ] || exit 100 ;;
esac
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing of what is needed; gives the folder of its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "_PLACES", str(tmp_path))
    monkeypatch.setattr(packages, "NEEDED", {"podman": ("podman", "netavark")})
    return tmp_path


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_nothing_is_done_when_all_is_there(bare: Path) -> None:
    program(bare, "podman")
    program(bare, "apt-get", "#!/bin/sh\nexit 1\n")

    packages.ensure()


def test_root_gets_it_from_apt_after_an_update_if_need_be(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (bare / "apt-get").write_text(APT.format(folder=bare).replace("touch", "/usr/bin/touch"))
    (bare / "apt-get").chmod(0o755)

    packages.ensure()

    asked = [line.split("Timeout=300 ")[1] for line in (bare / "apt").read_text().splitlines()]
    assert asked == ["install -y podman netavark", "update", "install -y podman netavark"]
    assert "setup: installing podman, netavark (apt)" in capfd.readouterr().err


def test_root_is_told_when_apt_fails(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(bare, "apt-get", "#!/bin/sh\nexit 100\n")

    with pytest.raises(ToolError, match="run: apt-get install -y podman netavark"):
        packages.ensure()


def test_others_are_given_the_line_to_run(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(bare, "apt-get", APT.format(folder=bare))

    with pytest.raises(ToolError, match="run: sudo apt-get install -y podman netavark"):
        packages.ensure()

    assert not (bare / "apt").exists()


@pytest.mark.usefixtures("bare")
def test_where_there_is_no_apt_the_packages_are_named() -> None:
    with pytest.raises(ToolError, match=r"podman, netavark missing .* no apt-get"):
        packages.ensure()
