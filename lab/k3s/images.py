"""The release's image archive: each image one static binary in an otherwise empty file system."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.k3s.compile import Program, compile_program
from lab.k3s.toolchain import ARCHITECTURES, BuildError, Go

# What tests run in pods; the other images' names are where k3s itself asks for them.
HTTP_ECHO = "docker.io/lab/http-echo:1"
NAMES = Path("internal/manifests/images.go")


def image_name(source: Path, constant: str) -> str:
    """The name that k3s runs an image by, from its Go source."""
    found = re.search(rf'^\s*{constant}\s*=\s*"(\S+)"$', (source / NAMES).read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{source / NAMES} has no {constant}")
    return found[1]


def write_archive(go: Go, arch: str, module: Path, coredns: Path, out: Path) -> None:
    """Compiles the images' programs and writes the archive, `docker save`'s format in zstd."""
    images = {
        image_name(module, "PauseImage"): Program(
            name="pause", module=module, package="./cmd/pause"
        ),
        HTTP_ECHO: Program(name="http-echo", module=module, package="./cmd/http-echo"),
        image_name(module, "CoreDNSImage"): Program(name="coredns", module=coredns, package="."),
    }
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        arguments = []
        for name, program in images.items():
            binary = Path(scratch) / program.name
            compile_program(go, arch, program, binary)
            arguments.append(f"{name}={binary}")
        writer = Path(scratch) / "images"
        own = ARCHITECTURES.get(os.uname().machine, arch)
        compile_program(
            go, own, Program(name="images", module=module, package="./cmd/images"), writer
        )
        command = [str(writer), arch, str(out), *arguments]
        run = subprocess.run(command, stdout=sys.stderr)
    if run.returncode:
        raise BuildError("the image archive was not written — the reason is above")
