"""Which stacks a change previews and brings up, asked of a real repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import changed_stacks
from tools.messages import ToolError

CLONE = Path(__file__).resolve().parents[2]
CLOUD = "config: {k3s:platform: aws, k3s:groups: {server: {role: server, count: 1}}}\n"
LOCAL = "config: {k3s:platform: local}\n"
MIXED = "config: {k3s:platform: local, k3s:groups: {agent: {platform: aws}}}\n"


class Repository:
    """A repository whose first commit has a stack on this machine and two on clouds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit(
            {
                "Pulumi.dev.yaml": LOCAL,
                "Pulumi.staging.yaml": CLOUD,
                "Pulumi.production.yaml": CLOUD,
                "__main__.py": "",
                "components/k3s/cluster.py": "",
                "README.md": "",
            }
        )

    def git(self, *words: str) -> str:
        author = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in WHO}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **author}
        return subprocess.check_output(["git", *words], cwd=self.folder, env=env, text=True).strip()

    def commit(self, files: dict[str, str | None]) -> str:
        """Writes the files (None takes one away) and commits; gives the commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")

    def between(self, base: str, head: str = "HEAD") -> list[str]:
        return changed_stacks.between(base, head, self.folder)


WHO = ("NAME", "EMAIL")
ALL = ["production", "staging"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.mark.parametrize(
    ("file", "stacks"),
    [
        ("Pulumi.staging.yaml", ["staging"]),
        ("Pulumi.dev.yaml", []),
        ("README.md", []),
        ("tools/check.py", []),
        ("docs/Pulumi.staging.yaml", []),
        ("__main__.py", ALL),
        ("Pulumi.yaml", ALL),
        ("requirements.txt", ALL),
        ("tests/requirements.txt", []),
        ("components/k3s/scripts/lib.sh", ALL),
        ("stacks/settings.py", ALL),
        ("workloads/scripts/install.php", ALL),
    ],
)
def test_a_changed_file_changes_these_stacks(
    repository: Repository, file: str, stacks: list[str]
) -> None:
    repository.commit({file: f"{CLOUD}# changed\n" if "staging" in file else f"{LOCAL}# x\n"})

    assert repository.between(repository.first) == stacks


def test_several_changes_are_told_together_and_each_stack_once(repository: Repository) -> None:
    repository.commit({"Pulumi.staging.yaml": f"# one\n{CLOUD}"})
    repository.commit({"Pulumi.staging.yaml": CLOUD, "Pulumi.production.yaml": f"# x\n{CLOUD}"})
    repository.commit({"Pulumi.staging.yaml": f"# two\n{CLOUD}"})

    assert repository.between(repository.first) == ALL


def test_a_new_stack_is_changed(repository: Repository) -> None:
    repository.commit({"Pulumi.hybrid.yaml": CLOUD})

    assert repository.between(repository.first) == ["hybrid"]


def test_one_group_on_a_cloud_makes_it_a_stack_on_a_cloud(repository: Repository) -> None:
    repository.commit({"Pulumi.dev.yaml": MIXED})

    assert repository.between(repository.first) == ["dev"]


def test_a_stack_whose_file_is_gone_is_told_apart(repository: Repository) -> None:
    repository.commit({"Pulumi.staging.yaml": None})

    assert repository.between(repository.first) == []
    assert changed_stacks.gone(repository.first, "HEAD", repository.folder) == ["staging"]


def test_a_renamed_stack_is_a_new_one(repository: Repository) -> None:
    repository.git("mv", "Pulumi.staging.yaml", "Pulumi.test.yaml")
    repository.commit({})

    assert repository.between(repository.first) == ["test"]


def test_what_came_from_main_is_not_of_the_pull_request(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit({"Pulumi.staging.yaml": f"# branch\n{CLOUD}"})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"Pulumi.production.yaml": f"# main\n{CLOUD}"})
    repository.git("merge", "--quiet", "--no-ff", "--message=merge", "branch")

    assert repository.between("HEAD^1") == ["staging"]


def test_the_checkout_of_a_pull_request_is_deep_enough(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit({"Pulumi.staging.yaml": f"# branch\n{CLOUD}"})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message=merge", "branch")
    shallow = tmp_path_factory.mktemp("shallow")
    repository.git("clone", "--quiet", "--depth=2", repository.folder.as_uri(), str(shallow))

    assert changed_stacks.between("HEAD^1", "HEAD", shallow) == ["staging"]


@pytest.mark.parametrize("base", ["", "0" * 40, "no-such-branch"])
def test_all_stacks_are_changed_where_nobody_knows_what_was_done(
    repository: Repository, base: str
) -> None:
    assert repository.between(base) == ALL


def test_all_stacks_are_changed_after_history_was_written_anew(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit({"README.md": "the only commit now"})

    assert repository.between(repository.first) == ALL


def test_an_older_commit_than_the_one_that_is_up_is_refused(repository: Repository) -> None:
    newer = repository.commit({"README.md": "changed"})

    with pytest.raises(ToolError, match=r"what is newer has been done already"):
        repository.between(newer, repository.first)


@pytest.mark.parametrize("commit", ["--output=/tmp/x", "-h", "a b", ""])
def test_a_head_that_is_no_commit_is_refused(repository: Repository, commit: str) -> None:
    with pytest.raises(ToolError):
        repository.between("", commit)


def test_a_stack_file_that_is_none_is_named(repository: Repository) -> None:
    repository.commit({"Pulumi.staging.yaml": "config: ["})

    with pytest.raises(ToolError, match=r"Pulumi\.staging\.yaml"):
        repository.between(repository.first)


def test_the_command_prints_json_alone() -> None:
    words = ("changed-stacks", "--base", "", "--head", "HEAD")
    done = subprocess.run(
        [sys.executable, "-m", "tools", *words],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "staging" in json.loads(done.stdout)
    assert "dev" not in json.loads(done.stdout)
