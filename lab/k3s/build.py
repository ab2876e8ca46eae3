"""Build the lab's k3s: a release folder in the layout of k3s's release page.

`python -m lab.k3s.build` builds only what changed inputs demand, and prints the folder's path alone
on standard output. `--print-version` prints the version instead, and builds nothing.
"""

import argparse
import ctypes
import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.k3s.artifacts import ReleaseFiles
from lab.k3s.compile import Program, compile_program
from lab.k3s.images import write_archive
from lab.k3s.toolchain import ARCHITECTURES, BuildError, Go, cache_folder, find_go

HERE = Path(__file__).parent
COREDNS = HERE / "images" / "coredns"
# What the release is made of, in this folder.
INPUTS = ("**/go.mod", "**/go.sum", "**/*.go", "**/*.yaml", "**/*.toml", "install.sh", "*.py")
STAMP = ".inputs"  # in the release folder: the hash of the inputs that made it
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>


@dataclass(frozen=True, kw_only=True)
class Release(ReleaseFiles):
    """A release to build, its files named as k3s's are: `version` such as v1.35.4+lab."""

    version: str

    @property
    def folder(self) -> Path:
        """Where it is put."""
        return cache_folder() / "k3s" / self.version


def go_mod(pattern: str) -> str:
    """What go.mod says where the pattern's group is."""
    found = re.search(pattern, (HERE / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{HERE / 'go.mod'} has no line {pattern}")
    return found[1]


def default_version() -> str:
    """The version of Kubernetes in go.mod, marked as the lab's."""
    return go_mod(r"^\s*k8s\.io/kubernetes (v\S+)$") + "+lab"


def inputs_hash(go: Go, release: Release) -> str:
    """Changes with everything that the release is made of."""
    digest = hashlib.sha256(f"{go.version} {release}".encode())
    files = {file for pattern in INPUTS for file in HERE.glob(pattern)}
    for file in sorted(files):
        digest.update(f"\0{file.relative_to(HERE)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(release: Release, inputs: str) -> bool:
    """Whether the folder holds what these inputs make."""
    stamp = release.folder / STAMP
    return stamp.exists() and stamp.read_text() == inputs


def kubernetes_version(version: str, inputs: str) -> tuple[tuple[str, str], ...]:
    """Linker variables by which Kubernetes' components tell their version."""
    numbers = re.fullmatch(r"v(\d+)\.(\d+)\.\d+\+lab", version)
    if not numbers:
        raise BuildError(f"version {version} — a lab release's is vX.Y.Z+lab — write such a one")
    values = {
        "gitVersion": version,
        "gitMajor": numbers[1],
        "gitMinor": numbers[2],
        "gitCommit": inputs[:40],
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(
        (f"{package}.{name}", value) for package in packages for name, value in values.items()
    )


def build(go: Go, release: Release, inputs: str, folder: Path) -> None:
    """Makes the release's files in the folder."""
    own = "k3s.lab/internal/version"
    variables = (
        *kubernetes_version(release.version, inputs),
        (f"{own}.Version", release.version),
        (f"{own}.InputHash", inputs[:8]),
    )
    k3s = Program(name="k3s", module=HERE, package="./cmd/k3s", variables=variables)
    compile_program(go, release.arch, k3s, folder / release.binary)
    write_archive(go, release.arch, HERE, COREDNS, folder / release.images)
    shutil.copyfile(HERE / "install.sh", folder / "install.sh")
    write_checksums(folder, release)
    (folder / STAMP).write_text(inputs)
    for file, mode in ((release.binary, 0o755), ("install.sh", 0o755)):
        (folder / file).chmod(mode)
    folder.chmod(0o755)


def write_checksums(folder: Path, release: Release) -> None:
    """`<sha256>  <file>` lines, as `sha256sum` writes and the release page has them.

    install.sh is listed beside them: it is the lab's own, so no pinned digest knows it.
    """
    lines = []
    for name in (release.images, release.binary, "install.sh"):
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    (folder / release.checksums).write_text("".join(lines))


def put_in_place(built: Path, folder: Path) -> None:
    """Gives the built folder its name in one step; what had it before is in `built` afterwards."""
    if not folder.exists():
        built.rename(folder)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(built), os.fsencode(folder))
    if libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE):
        code = ctypes.get_errno()
        raise BuildError(f"{folder} cannot be replaced — {os.strerror(code)} — remove it")


@contextmanager
def build_lock() -> Iterator[None]:
    """Held while building, so that two commands at once build one release."""
    folder = cache_folder() / "k3s"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("k3s: waiting for another build of it to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(release: Release) -> Path:
    """The release's folder, after building it when its inputs have changed."""
    go = find_go(go_mod(r"^go (\S+)$"))
    inputs = inputs_hash(go, release)
    if is_current(release, inputs):
        return release.folder
    with build_lock():
        if not is_current(release, inputs):
            started = time.monotonic()
            print(
                f"k3s: building {release.version} for {release.arch} from upstream's sources with "
                f"{go.version} (minutes the first time)",
                file=sys.stderr,
            )
            parent = release.folder.parent
            with tempfile.TemporaryDirectory(dir=parent, prefix=".build-") as scratch:
                folder = Path(scratch) / "release"
                folder.mkdir()
                build(go, release, inputs, folder)
                put_in_place(folder, release.folder)
            print(f"k3s: built in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return release.folder


def main() -> int:
    """Entry point of `python -m lab.k3s.build`."""
    parser = argparse.ArgumentParser(prog="python -m lab.k3s.build", description=__doc__)
    parser.add_argument("--print-version", action="store_true", help="print the version, no build")
    parser.add_argument(
        "--as",
        dest="version",
        metavar="vX.Y.Z+lab",
        help="give the same sources another version: what an upgrade is tried with",
    )
    machine = ARCHITECTURES.get(platform.machine(), platform.machine())
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES.values()), default=machine)
    arguments = parser.parse_args()
    try:
        version = arguments.version or default_version()
        kubernetes_version(version, "")
        print(
            version
            if arguments.print_version
            else ensure(Release(version=version, arch=arguments.arch))
        )
    except BuildError as error:
        print(f"k3s: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
