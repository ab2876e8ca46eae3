"""What a fresh machine fetches while it boots is what `prepare` looks for."""

import subprocess
from pathlib import Path

import pytest

from components.k3s import first_boot
from components.k3s.release import release
from components.k3s.settings import Artifacts, K3sSettings

VERSION = "v1.35.6+k3s1"


def assignments(script: str) -> dict[str, str]:
    """What the shell makes of the assignments at the script's head."""
    head = script[: script.index("\n# shellcheck")]
    names = next(line for line in head.splitlines() if line.startswith("unset")).split()[1:]
    told = "".join(f'printf "%s\\n" "${name}"\n' for name in names)
    done = subprocess.run(
        ["sh", "-c", f"{head}\n{told}"], capture_output=True, text=True, check=True
    )
    return dict(zip(names, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize(
    "artifacts",
    [Artifacts(), Artifacts(source="mirror", url="https://mirror.example/k3s")],
    ids=["release", "mirror"],
)
def test_a_machine_fetches_at_boot_what_prepare_would(arch: str, artifacts: Artifacts) -> None:
    settings = K3sSettings(version=VERSION, artifacts=artifacts)
    chosen = release(settings, arch)
    assert assignments(first_boot.scripts(settings)[arch]) == {
        **chosen.variables(),
        **chosen.download_variables(),
    }


def test_machines_of_either_architecture_have_a_script_of_their_own() -> None:
    made = first_boot.scripts(K3sSettings(version=VERSION))
    assert {arch: assignments(script)["BINARY"] for arch, script in made.items()} == {
        "amd64": "k3s",
        "arm64": "k3s-arm64",
    }


def test_nothing_is_fetched_where_the_files_are_uploaded(tmp_path: Path) -> None:
    artifacts = Artifacts(source="folder", folder=str(tmp_path))
    assert first_boot.scripts(K3sSettings(version=VERSION, artifacts=artifacts)) == {}


def test_a_script_reads_nothing_that_is_not_its_own() -> None:
    for script in first_boot.scripts(K3sSettings(version=VERSION)).values():
        assert script.startswith("#!/bin/sh\n")
        assert script.endswith('\nmain "$@" </dev/null\n')
