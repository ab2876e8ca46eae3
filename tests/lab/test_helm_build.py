"""The lab's Helm: built from upstream's sources, and only when it must be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.helm import build
from tests.conftest import CLONE


@pytest.fixture(scope="module")
def helm() -> Path:
    """The program, by the command that people use."""
    command = [sys.executable, "-m", "lab.helm.build"]
    done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_it_is_the_helm_of_go_mod_and_knows_its_kubernetes(helm: Path) -> None:
    short = ["version", "--template", "{{.Version}}"]
    done = subprocess.run([helm, *short], capture_output=True, text=True, check=True)
    assert done.stdout == build.version()
    minor = build.go_mod(r"^\s*k8s\.io/client-go v0\.(\d+)\.")
    assert ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", minor) in build.linker_variables()


def test_it_is_static(helm: Path) -> None:
    done = subprocess.run(["ldd", helm], capture_output=True, text=True, check=False)
    assert "not a dynamic executable" in done.stdout + done.stderr


def test_what_is_built_is_not_built_again(
    helm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compiling(*_: object) -> None:
        raise AssertionError("it is compiled again")

    monkeypatch.setattr(build, "compile_program", compiling)
    assert build.ensure() == helm
    assert capsys.readouterr().err == ""


def test_other_inputs_have_another_folder(helm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = build.find_go(build.go_mod(r"^go (\S+)$"))
    same = build.inputs_hash(go, "amd64")
    assert re.fullmatch(rf"{re.escape(build.version())}-[0-9a-f]{{12}}", helm.parent.name)
    assert build.inputs_hash(go, "arm64") != same
    monkeypatch.setattr(build, "_INPUTS", ("go.mod",))
    assert build.inputs_hash(go, "amd64") != same


def test_a_build_that_fails_leaves_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise build.BuildError("the proxy is away")

    monkeypatch.setenv("K3S_PULUMI_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "compile_program", failing)
    assert build.main() == 1
    assert "helm: the proxy is away" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "helm").iterdir()] == ["build.lock"]
