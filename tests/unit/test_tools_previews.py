"""The comment of a pull request, and how it reaches GitHub.

`gh` is another program: a small stand-in notes how it is asked, and answers as GitHub does.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import github, previews
from tools.messages import ToolError
from tools.previews import Preview

CLONE = Path(__file__).resolve().parents[2]
# What the CLI prints where nobody is at the terminal, shortened; in colours as on some runners.
LOG = """\
engine: pulumi (v3.272.0, downloaded)
Previewing update (staging):
 +  pulumi:pulumi:Stack k3s-staging create
\x1b[1mResources:\x1b[0m
    \x1b[32m+ 45 to create\x1b[0m
    \x1b[33m~ 1 to update\x1b[0m
    +-2 to replace
    \x1b[1m48 changes\x1b[0m. 3 unchanged

Duration: 4s
"""
UNCHANGED = "Previewing update (staging):\nResources:\n    49 unchanged\n"
FAILED = "Previewing update (staging):\nerror: access.ssh: None\nResources:\n    1 errored\n"


def comment(*found: Preview) -> str:
    return previews.comment(found, commit="0123456789abcdef", run_url="https://x/runs/1")


def test_a_preview_is_summed_up_by_its_counts() -> None:
    assert previews.counts(LOG) == ["+ 45 to create", "~ 1 to update", "+-2 to replace"]


@pytest.mark.parametrize(
    ("preview", "row"),
    [
        (Preview("staging", "success", LOG), "| staging | `+ 45 to create`, `~ 1 to update`,"),
        (Preview("staging", "success", UNCHANGED), "| staging | no change |"),
        (Preview("staging", "failure", FAILED), "| staging | **failed**, see below |"),
        (Preview("staging", "skipped", ""), "| staging | **not made**: a step before it failed"),
        (Preview("staging", "", ""), "| staging | **not made**: a step before it failed"),
    ],
)
def test_each_stack_has_a_row(preview: Preview, row: str) -> None:
    assert row in comment(preview)


def test_what_the_previews_say_is_there_without_colours_and_a_failure_is_open() -> None:
    body = comment(Preview("a", "success", LOG), Preview("b", "failure", FAILED))

    assert "\n    + 45 to create\n" in body
    assert "\x1b" not in body
    assert "<details><summary>a</summary>" in body
    assert "<details open><summary>b</summary>" in body


def test_a_log_cannot_end_its_own_block() -> None:
    body = comment(Preview("a", "failure", "before\n````\n@everyone\n```\n"))

    assert "`````text\nbefore\n````\n@everyone\n```\n`````\n" in body


def test_a_long_preview_keeps_its_beginning_and_its_end() -> None:
    log = "\n".join(["first line", *(f"+ resource {n} create" for n in range(20_000)), "last line"])

    body = comment(*(Preview(name, "failure", log) for name in ("a", "b", "c")))

    assert len(body) < 65_536
    assert body.count("first line") == body.count("last line") == 3
    assert "characters left out, see the run" in body


def test_a_pull_request_that_changes_no_stack_says_so() -> None:
    assert "This pull request changes no stack." in comment()


def test_the_comment_is_known_by_its_beginning_and_names_the_commit() -> None:
    body = comment(Preview("a", "success", LOG))

    assert body.startswith(previews.MARKER)
    assert "Commit 0123456789 · [the run](https://x/runs/1)" in body


GH = """#!{python}
import json, os, sys
from pathlib import Path

stub = Path(os.environ["STUB"])
body = json.load(sys.stdin)["body"] if "--input" in sys.argv else None
with (stub / "asked").open("a") as asked:
    asked.write(json.dumps({{"argv": sys.argv[1:], "body": body}}) + "\\n")
if (stub / "refuses").exists():
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
print((stub / "answer").read_text() if body is None else "{{}}")
"""
OURS = {"id": 7, "user": {"login": "github-actions[bot]"}, "body": f"{previews.MARKER}\nold"}
OTHER_JOBS = {"id": 6, "user": {"login": "github-actions[bot]"}, "body": "coverage: 100%"}
SOMEBODYS = {"id": 5, "user": {"login": "somebody"}, "body": f"{previews.MARKER}\nmine"}


class Hub:
    """GitHub, as far as `gh` shows it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "gh").write_text(GH.format(python=sys.executable))
        (folder / "gh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
        monkeypatch.setenv("STUB", str(folder))
        monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")

    def answers(self, answer: Any) -> None:
        (self.folder / "answer").write_text(json.dumps(answer))

    def asked(self) -> list[dict[str, Any]]:
        lines = (self.folder / "asked").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(tmp_path, monkeypatch)


def write(*, only_update: bool = False) -> str:
    return github.write_comment(12, previews.MARKER, "new", only_update=only_update)


def test_the_comment_that_is_there_is_updated(hub: Hub) -> None:
    hub.answers([[OTHER_JOBS], [OURS]])

    assert write() == "updated"
    _, change = hub.asked()
    assert change["argv"][1:4] == ["repos/owner/name/issues/comments/7", "--method", "PATCH"]
    assert change["body"] == "new"


@pytest.mark.parametrize("there", [[], [OTHER_JOBS], [SOMEBODYS]])
def test_the_first_comment_is_written_and_others_are_left_alone(
    hub: Hub, there: list[dict[str, Any]]
) -> None:
    hub.answers([there])

    assert write() == "written"
    _, change = hub.asked()
    assert change["argv"][1:4] == ["repos/owner/name/issues/12/comments", "--method", "POST"]


def test_a_pull_request_that_never_changed_a_stack_gets_no_comment(hub: Hub) -> None:
    hub.answers([[OTHER_JOBS]])

    assert write(only_update=True) == "not needed"
    assert len(hub.asked()) == 1


def test_what_was_said_before_is_put_right_when_no_stack_is_changed_any_more(hub: Hub) -> None:
    hub.answers([[OURS]])

    assert write(only_update=True) == "updated"


def test_a_refusal_is_told_in_githubs_words(hub: Hub) -> None:
    (hub.folder / "refuses").touch()

    with pytest.raises(ToolError, match=r"HTTP 403.* — check GH_TOKEN and the permissions"):
        write()


def test_the_last_success_on_main_is_found_and_none_is_none(hub: Hub) -> None:
    hub.answers({"workflow_runs": [{"head_sha": "abc"}]})
    assert github.last_success("up.yml") == "abc"
    (asked,) = hub.asked()
    assert asked["argv"][1] == (
        "repos/owner/name/actions/workflows/up.yml/runs?branch=main&status=success&per_page=1"
    )

    hub.answers({"workflow_runs": []})
    assert github.last_success("up.yml") == ""


def test_the_command_puts_what_the_jobs_left_into_the_comment(hub: Hub, tmp_path: Path) -> None:
    hub.answers([[]])
    left = tmp_path / "previews"
    left.mkdir()
    (left / "staging.log").write_text(LOG)
    (left / "staging.outcome").write_text("success\n")

    subprocess.run(
        [
            *(sys.executable, "-m", "tools", "comment", "--folder", str(left)),
            *("--stacks", '["staging", "production"]', "--pull-request", "12"),
            *("--commit", "0123456789abcdef", "--run", "https://x/runs/1"),
        ],
        cwd=CLONE,
        check=True,
    )

    _, written = hub.asked()
    assert "| staging | `+ 45 to create`" in written["body"]
    assert "| production | **not made**" in written["body"]
