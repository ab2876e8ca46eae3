"""Pack the stand-ins for charts, as `helm pull` would have left the real ones.

`python -m lab.charts.build` packs only when inputs have changed, and prints the folder with
NAME-VERSION.tgz of each chart alone on standard output.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab.helm import build as helm
from lab.k3s.toolchain import BuildError, cache_folder

HERE = Path(__file__).parent
# What each of the others is made of: a library chart, which nobody installs.
LIBRARY = "stand-in"


def charts() -> list[Path]:
    """The folders of the charts that can be installed."""
    found = (file.parent for file in HERE.glob("*/Chart.yaml"))
    return sorted(folder for folder in found if folder.name != LIBRARY)


def packed_name(chart: Path) -> str:
    """The file that Helm packs a chart into, such as metallb-0.16.1.tgz."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    return f"{about['name']}-{about['version']}.tgz"


def inputs_hash() -> str:
    """Changes with everything that the packed charts are made of."""
    digest = hashlib.sha256(helm.version().encode())
    files = (file for folder in (HERE / LIBRARY, *charts()) for file in folder.rglob("*"))
    for file in sorted((Path(__file__), *filter(Path.is_file, files))):
        digest.update(f"\0{file.relative_to(HERE)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def ensure() -> Path:
    """The folder with the packed charts. Raises ``BuildError``."""
    folder = cache_folder() / "charts" / inputs_hash()[:12]
    if not folder.exists():
        program = helm.ensure()
        with _build_lock(folder.parent):
            if not folder.exists():
                _build(program, folder)
    return folder


def _build(program: Path, folder: Path) -> None:
    """Makes the folder, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as name:
        scratch = Path(name)
        # Helm puts a chart's dependencies into its folder: this one is not the clone.
        sources, packed = scratch / "sources", scratch / "packed"
        for source in (HERE / LIBRARY, *charts()):
            shutil.copytree(source, sources / source.name)
        packed.mkdir(mode=0o755)
        for chart in charts():
            _pack(program, sources / chart.name, packed, scratch / "helm")
        packed.rename(folder)


def _pack(program: Path, chart: Path, packed: Path, home: Path) -> None:
    folders = {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    command = [str(program), "package", "--dependency-update", "--destination", str(packed)]
    run = subprocess.run(
        [*command, str(chart)],
        env={**os.environ, **folders},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        said = (run.stderr or run.stdout).strip()
        raise BuildError(f"{chart.name} cannot be packed — Helm: {said} — put its sources right")
    if not (packed / packed_name(chart)).is_file():
        raise BuildError(f"{chart.name} — Helm left no {packed_name(chart)} — see its Chart.yaml")


@contextmanager
def _build_lock(folder: Path) -> Iterator[None]:
    """Held while packing, so that two commands at once pack once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Entry point of `python -m lab.charts.build`."""
    try:
        print(ensure())
    except BuildError as error:
        print(f"charts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
