"""Machines as a cloud hands them over: the node image with Debian's cloud-init, and user data.

The user data is in the image, where cloud-init's NoCloud datasource looks for it:
https://cloudinit.readthedocs.io/en/22.4.2/topics/datasources/nocloud.html.
"""

import hashlib
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from components import scripts
from components.k3s import prepare, requirements
from components.platforms import cloudinit
from lab.nodes.build import build_lock, image_exists

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
_SCRIPTS = Path(__file__).resolve().parents[2] / "components" / "k3s" / "scripts"
_PREPARE = ("lib", *prepare._PARTS, "prepare")

_REPOSITORY = "localhost/k3s-test-cloud"
_SEED = "/var/lib/cloud/seed/nocloud"
# nftables as clouds' images have it. The rest is so that cloud-init keeps to what a container may
# change: its networks are Podman's, its file system is the host's, and it has no other locale.
_CONTAINERFILE = """\
FROM {node_image}
RUN apt-get update -q && apt-get install -qy --no-install-recommends cloud-init nftables \
 && rm -rf /var/lib/apt/lists/*
COPY 90-container.cfg /etc/cloud/cloud.cfg.d/
"""
_CONFIG = {
    "datasource_list": ["NoCloud", "None"],
    "network": {"config": "disabled"},
    "growpart": {"mode": "off"},
    "resize_rootfs": False,
    "locale": "C.UTF-8",
}
_BUILD_SECONDS = 800
# Podman's own wish for a container, a million open files, is more than some hosts grant.
_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")


def cloud_image(node_image: str) -> str:
    """Reference of the node image with cloud-init, built if it is not there."""
    text = _CONTAINERFILE.format(node_image=node_image)
    config = yaml.safe_dump(_CONFIG)
    tag = hashlib.sha256((text + config).encode()).hexdigest()[:12]
    with build_lock():
        if not image_exists(reference := f"{_REPOSITORY}:{tag}"):
            _build(reference, text, {"90-container.cfg": config})
    return reference


@contextmanager
def with_user_data(image: str, name: str, user_data: str) -> Iterator[str]:
    """An image of which a machine boots with the user data; removed with the block."""
    reference = f"{_REPOSITORY}-seeded:{name}"
    files = {"user-data": user_data, "meta-data": f"instance-id: {name}\n"}
    _build(reference, f"FROM {image}\nCOPY user-data meta-data {_SEED}/\n", files)
    try:
        yield reference
    finally:
        _podman("rmi", "--force", reference)


def schema(image: str, *user_data: str) -> "subprocess.CompletedProcess[str]":
    """What cloud-init's own check says about each text; fails with the first that it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(user_data):
            (Path(folder) / f"user-data-{number}").write_text(text)
        each = "for f in /seed/*; do cloud-init schema --config-file $f || exit 1; done"
        run = ("run", "--rm", "--network=none", *_LIMITS, f"--volume={folder}:/seed:ro")
        return subprocess.run(
            ["podman", *run, "--entrypoint=", image, "sh", "-c", each],
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )


def prepare_script(**changes: str) -> str:
    """What prepare's shell reads on a server whose release is uploaded; `changes` say otherwise."""
    variables = {
        "NODE": "node",
        "STEP": "prepare",
        "ROLE": "server",
        **requirements.variables("server", "warning"),
        "VERSION": "v1.35.4+lab",
        "ARCH": ARCH,
        "BACKEND": "vxlan",
        "UPLOADER": "root",
        "STORE": "/var/lib/k3s-artifacts/v0",
        "BASE_URL": "",
        "METADATA": "",
        "FEATURES": "",
        "CLOUD_INIT": "",
        "FIRST_BOOT_UNIT": cloudinit.FIRST_BOOT_UNIT,
    }
    return scripts.compose([_SCRIPTS / f"{part}.sh" for part in _PREPARE], variables | changes)


def _build(reference: str, containerfile: str, files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"Containerfile": containerfile, **files}.items():
            (Path(folder) / name).write_text(text)
        # Without the cache of layers, nothing is left over but the image.
        _podman("build", "--quiet", "--layers=false", "--tag", reference, folder)


def _podman(*words: str) -> None:
    done = subprocess.run(
        ["podman", *words], capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
