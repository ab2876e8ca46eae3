"""Build the node image: a small Debian with systemd, sshd and what a container runtime needs.

`python -m lab.nodes.build` prints the image reference alone on standard output. The tag is a hash
of everything the image is made of, so an image that is there is never built again.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = "localhost/k3s-node"
SUITE = "bookworm"
# What mmdebstrap dates its files with (Unix seconds), so that two builds differ little.
SOURCE_DATE_EPOCH = "1700000000"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
IMAGE_CONFIG = (
    'ENTRYPOINT ["/usr/local/libexec/node-init"]',
    "STOPSIGNAL SIGRTMIN+3",
    "ENV container=podman",
)
# Programs (and the keyring, on distributions other than Debian) by the package that has them.
NEEDED = {"podman": "podman", "mmdebstrap": "mmdebstrap"}


class BuildError(Exception):
    """The image cannot be built; the message says why and what to do."""


def packages() -> list[str]:
    """Names of the Debian packages in the image, from packages.txt."""
    lines = (HERE / "packages.txt").read_text().splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def image_reference() -> str:
    """Reference of the image that the present inputs make: `localhost/k3s-node:<12 hex>`."""
    digest = hashlib.sha256()
    fixed = (SUITE, platform.machine(), *packages(), *IMAGE_CONFIG)
    digest.update("\n".join(fixed).encode())
    files = sorted(path for path in (HERE / "rootfs").rglob("*") if path.is_file())
    for path in (HERE / "customize.sh", *files):
        executable = os.access(path, os.X_OK)
        digest.update(f"\0{path.relative_to(HERE)}\0{executable}\0".encode())
        digest.update(path.read_bytes())
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def as_root(*command: str) -> list[str]:
    """The command as it must be run to be root: unchanged for root, else through `sudo -n`."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]


def check_prerequisites() -> None:
    """Raise BuildError that names the line to run when a needed program is missing."""
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if missing:
        raise BuildError(
            f"not installed: {', '.join(missing)} — the node image is made from Debian's packages "
            f"and kept by Podman — run: sudo apt-get install -y {' '.join(missing)}"
        )
    if os.geteuid() != 0 and not shutil.which("sudo"):
        raise BuildError(
            "this is not root, and there is no sudo — building the node image needs root — run it "
            "as root"
        )
    if os.geteuid() != 0 and subprocess.run(as_root("true"), capture_output=True).returncode:
        raise BuildError(
            "sudo asks for a password — building the node image needs root and nobody is there "
            "to type it — run: sudo -v, then the same command again"
        )


def image_exists(reference: str) -> bool:
    """Whether Podman has the image; raises BuildError when Podman cannot be asked."""
    answer = subprocess.run(
        as_root("podman", "image", "exists", reference), capture_output=True, text=True
    )
    if answer.returncode not in (0, 1):
        raise BuildError(
            f"podman cannot be used as root — {answer.stderr.strip()} — run this as root of the "
            "machine itself, or in a container that is privileged"
        )
    return answer.returncode == 0


def mmdebstrap_command() -> list[str]:
    """The command that writes the root file system as a tar archive to standard output."""
    mirror = os.environ.get("DEBIAN_MIRROR")  # else mmdebstrap's own: Debian's
    return [
        *as_root("env", f"SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}", "mmdebstrap"),
        "--variant=minbase",
        "--mode=root",
        "--format=tar",
        f"--include={','.join(packages())}",
        f"--customize-hook={HERE / 'customize.sh'}",
        SUITE,
        "-",
        *([mirror] if mirror else []),
    ]


def import_command() -> list[str]:
    """The command that makes an untagged image of the tar archive on standard input."""
    changes = [word for change in IMAGE_CONFIG for word in ("--change", change)]
    return as_root("podman", "import", "--quiet", *changes, "-")


def build(reference: str) -> None:
    """Make the image and tag it; a build that failed half-way leaves no tag behind."""
    with subprocess.Popen(mmdebstrap_command(), stdout=subprocess.PIPE) as root_fs:
        imported = subprocess.run(
            import_command(), stdin=root_fs.stdout, stdout=subprocess.PIPE, text=True
        )
        if root_fs.stdout:
            root_fs.stdout.close()
    image = imported.stdout.strip().rpartition(":")[2]
    if root_fs.returncode or imported.returncode:
        if image:
            subprocess.run(as_root("podman", "rmi", "--force", image), stdout=sys.stderr)
        raise BuildError(
            f"the node image was not built: mmdebstrap ended with {root_fs.returncode}, podman "
            f"import with {imported.returncode} — their messages are above — run it again when "
            "the package mirror can be reached (another mirror: DEBIAN_MIRROR=<address>)"
        )
    tag(image, reference)


def tag(image: str, reference: str) -> None:
    """Give the image its own reference and `latest`."""
    subprocess.run(as_root("podman", "tag", image, reference, f"{REPOSITORY}:latest"), check=True)


@contextmanager
def build_lock() -> Iterator[None]:
    """Held while building, so that two commands at once build one image."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "k3s-pulumi"
    folder = Path(os.environ.get("K3S_PULUMI_CACHE") or default) / "nodes"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure() -> str:
    """The image's reference, after building it when Podman does not have it yet."""
    check_prerequisites()
    reference = image_reference()
    if image_exists(reference):
        return reference
    with build_lock():
        if not image_exists(reference):
            started = time.monotonic()
            print(f"node image: building {reference} from Debian {SUITE}", file=sys.stderr)
            build(reference)
            seconds = time.monotonic() - started
            print(f"node image: built in {seconds:.0f} s", file=sys.stderr)
    return reference


def main() -> int:
    """Entry point of `python -m lab.nodes.build`."""
    try:
        print(ensure())
    except BuildError as error:
        print(f"node image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
