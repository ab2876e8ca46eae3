"""The scripts of preview.yml, run one after another as GitHub's runner runs them.

The official CLI and `gh` are the edge: small stand-ins print what those print, and note what they
were asked. All between them is the project's own: make, the tools, what the jobs hand on.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_tools_previews import GH, LOG
from tests.unit.test_workflows import ROOT, jobs, workflow
from tools import pulumi_cli

CLI = """#!{python}
import os, sys
if sys.argv[1:] == ["preview", "--stack", "staging"]:
    print(open(os.environ["STUB"] + "/log").read())
    sys.exit(os.path.exists(os.environ["STUB"] + "/fails"))
sys.exit("not asked for: " + " ".join(sys.argv[1:]))
"""
PROGRAM = ("Makefile", "Pulumi.staging.yaml", "Pulumi.dev.yaml", "tools", "components", "stacks")
PROGRAM += ("workloads", "requirements.txt", "lab/requirements.txt")


class Runner:
    """A runner with a checkout of a pull request that changes Pulumi.staging.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clone = folder, folder / "clone"
        self.clone.mkdir()
        for name in PROGRAM:
            (self.clone / name).parent.mkdir(exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, self.clone / name)
        (self.clone / ".venv").symlink_to(Path(sys.prefix))
        cli = folder / "cache" / "cli" / f"pulumi-v{pulumi_cli.pinned_version()}" / "pulumi"
        self.program(cli, CLI)
        self.program(folder / "bin" / "gh", GH)
        (folder / "log").write_text(LOG)
        (folder / "answer").write_text("[[]]")
        self.git("init", "--quiet")
        self.commit()
        with (self.clone / "Pulumi.staging.yaml").open("a") as file:
            file.write("# changed\n")
        self.commit()

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True)
        path.write_text(text.format(python=sys.executable))
        path.chmod(0o755)

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x")
        subprocess.run(["git", *who, *words], cwd=self.clone, check=True)

    def commit(self) -> None:
        self.git("add", "--", *PROGRAM)
        self.git("commit", "--quiet", "--message=x")

    def run(self, job: str, step: str, **given: str) -> "subprocess.CompletedProcess[str]":
        """A step's script, in the shell and with the variables that the workflow names."""
        (script,) = [
            each["run"]
            for each in jobs(workflow("preview"))[job]["steps"]
            if each.get("name") == step
        ]
        env = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "K3S_PULUMI_CACHE": str(self.folder / "cache"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_REPOSITORY": "owner/name",
            "STUB": str(self.folder),
            **given,
        }
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(
            shell, cwd=self.clone, env=env, capture_output=True, text=True, check=False
        )

    def comment(self) -> str:
        asked = (self.folder / "asked").read_text().splitlines()
        notes: list[dict[str, Any]] = [json.loads(line) for line in asked]
        return str(notes[-1]["body"])


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_the_scripts_of_all_jobs_lead_to_one_comment(runner: Runner) -> None:
    picked = runner.run("stacks", "Pick the stacks")
    assert picked.returncode == 0, picked.stderr
    assert (runner.folder / "output").read_text() == 'stacks=["staging"]\n'

    preview = runner.run("preview", "Preview", STACK="staging", ENGINE="pinned")
    assert preview.returncode == 0, preview.stdout
    runner.run("preview", "Keep what it said", STACK="staging", OUTCOME="success")
    said = {
        "STACKS": '["staging"]',
        "PULL_REQUEST": "12",
        "COMMIT": "0123456789abcdef",
        "RUN": "https://x/runs/1",
    }
    commented = runner.run("comment", "Comment", **said)

    assert commented.returncode == 0, commented.stderr
    assert "| staging | `+ 45 to create`, `~ 1 to update`, `+-2 to replace` |" in runner.comment()


def test_a_preview_that_fails_fails_its_job_and_leaves_what_it_said(runner: Runner) -> None:
    (runner.folder / "fails").touch()

    preview = runner.run("preview", "Preview", STACK="staging", ENGINE="pinned")

    assert preview.returncode != 0
    log = (runner.clone / "previews" / "staging.log").read_text()
    assert "make preview: stack staging — the pulumi engine ended with exit code 1" in log


def test_a_step_that_fails_before_the_preview_still_leaves_its_outcome(runner: Runner) -> None:
    kept = runner.run("preview", "Keep what it said", STACK="staging", OUTCOME="skipped")

    assert kept.returncode == 0
    assert (runner.clone / "previews" / "staging.outcome").read_text() == "skipped\n"
