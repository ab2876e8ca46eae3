"""Build Helm from upstream's sources, as the Go module proxy has them.

`python -m lab.helm.build` builds only what changed inputs demand, and prints the program's path
alone on standard output. go.mod says which Helm: the one that pulumi-kubernetes links.
"""

import fcntl
import hashlib
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.k3s.compile import Program, compile_program
from lab.k3s.toolchain import ARCHITECTURES, BuildError, Go, cache_folder, find_go

HERE = Path(__file__).parent
PACKAGE = "helm.sh/helm/v3/cmd/helm"
_INPUTS = ("go.mod", "go.sum", "build.py")


def go_mod(pattern: str) -> str:
    """What go.mod says where the pattern's group is."""
    found = re.search(pattern, (HERE / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{HERE / 'go.mod'} has no line {pattern}")
    return found[1]


def version() -> str:
    """Helm's version in go.mod, such as v3.20.2."""
    return go_mod(r"^\s*(?:require )?helm\.sh/helm/v3 (v\S+)")


def linker_variables() -> tuple[tuple[str, str], ...]:
    """What Helm's own Makefile sets: its version, and the Kubernetes that it was made for."""
    major, minor = 1, go_mod(r"^\s*k8s\.io/client-go v0\.(\d+)\.")
    values = {
        "internal/version.version": version(),
        "pkg/chartutil.k8sVersionMajor": str(major),
        "pkg/chartutil.k8sVersionMinor": minor,
        "pkg/lint/rules.k8sVersionMajor": str(major),
        "pkg/lint/rules.k8sVersionMinor": minor,
    }
    return tuple((f"helm.sh/helm/v3/{name}", value) for name, value in values.items())


def inputs_hash(go: Go, arch: str) -> str:
    """Changes with everything that the program is made of."""
    digest = hashlib.sha256(f"{go.version} {arch}".encode())
    for name in _INPUTS:
        digest.update(f"\0{name}\0".encode())
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def ensure() -> Path:
    """The program, after building it when its inputs have changed. Raises ``BuildError``."""
    go = find_go(go_mod(r"^go (\S+)$"))
    arch = ARCHITECTURES.get(platform.machine(), platform.machine())
    folder = cache_folder() / "helm" / f"{version()}-{inputs_hash(go, arch)[:12]}"
    program = folder / "helm"
    if not program.exists():
        with _build_lock(folder.parent):
            if not program.exists():
                _build(go, arch, folder)
    return program


def _build(go: Go, arch: str, folder: Path) -> None:
    """Makes the folder with the program in it, whole or not at all."""
    started = time.monotonic()
    print(f"helm: building {version()} with {go.version} (minutes the first time)", file=sys.stderr)
    helm = Program(name="helm", module=HERE, package=PACKAGE, variables=linker_variables())
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as scratch:
        built = Path(scratch) / "helm"
        built.mkdir(mode=0o755)
        compile_program(go, arch, helm, built / "helm")
        built.rename(folder)
    print(f"helm: built in {time.monotonic() - started:.0f} s", file=sys.stderr)


@contextmanager
def _build_lock(folder: Path) -> Iterator[None]:
    """Held while building, so that two commands at once build one program."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("helm: waiting for another build of it to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Entry point of `python -m lab.helm.build`."""
    try:
        print(ensure())
    except BuildError as error:
        print(f"helm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
