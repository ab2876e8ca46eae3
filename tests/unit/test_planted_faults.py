"""Faults planted in a copy of the program: the tests must notice each."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.stackfiles import ROOT

FAULTS = {
    "node-external-ip left out": (
        "components/k3s/config.py",
        '        config["node-external-ip"] = ",".join(node.public)\n',
        "        pass\n",
    ),
    "node-ip and node-external-ip swapped": (
        "components/k3s/cluster.py",
        '            private=known["private"],\n            public=known["public"],\n',
        '            private=known["public"],\n            public=known["private"],\n',
    ),
    "host keys not verified": (
        "components/platforms/machine.py",
        '            "host_key": self.host_key,\n',
        "",
    ),
    "bootstrap run again when its inputs change": (
        "components/k3s/install.py",
        '    "stdin",\n',
        "",
    ),
}


@pytest.mark.parametrize(("file", "text", "instead"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_makes_a_test_fail(
    tmp_path: Path, file: str, text: str, instead: str
) -> None:
    for name in ("components", "stacks", "workloads", "tests/unit"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("__main__.py", "Pulumi.dev.yaml", "pyproject.toml", "tests/__init__.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    target = tmp_path / file
    original = target.read_text()
    assert original.count(text) == 1, f"the fault no longer fits {file}"
    target.write_text(original.replace(text, instead))

    tests = ["tests/unit/test_k3s_config.py", "tests/unit/test_cluster.py"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert " failed" in run.stdout
