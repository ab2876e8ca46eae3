"""What the workflows ask of GitHub, through its own command line (`gh`, on every runner).

`gh` takes its token from GH_TOKEN, and GITHUB_REPOSITORY names the repository.
"""

import json
import os
import subprocess
from typing import Any

from tools.messages import ToolError

_BOT = "github-actions[bot]"  # who a workflow's own token writes as


def last_success(workflow: str, branch: str = "main") -> str:
    """The commit of the workflow's newest run on the branch that succeeded; empty for none.

    https://docs.github.com/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow
    """
    query = f"branch={branch}&status=success&per_page=1"
    answer = _api(f"actions/workflows/{workflow}/runs?{query}")
    runs = answer["workflow_runs"]
    return str(runs[0]["head_sha"]) if runs else ""


def write_comment(pull_request: int, marker: str, body: str, *, only_update: bool) -> str:
    """Puts `body` into the one comment that begins with `marker`; gives what was done.

    `only_update` makes none where there is none yet. A comment of somebody else is left alone,
    whatever it begins with.
    https://docs.github.com/rest/issues/comments
    """
    pages = _api(f"issues/{pull_request}/comments?per_page=100", "--paginate", "--slurp")
    own = [
        comment["id"]
        for page in pages
        for comment in page
        if comment["user"]["login"] == _BOT and comment["body"].startswith(marker)
    ]
    if own:
        _api(f"issues/comments/{own[0]}", "--method", "PATCH", body=body)
        return "updated"
    if only_update:
        return "not needed"
    _api(f"issues/{pull_request}/comments", "--method", "POST", body=body)
    return "written"


def _api(path: str, *flags: str, body: str | None = None) -> Any:
    """The answer to a request below the repository. Raises ToolError with `gh`'s own words."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    if not repository:
        raise ToolError(
            "no GITHUB_REPOSITORY", "it says whose GitHub is asked", "run this in a workflow"
        )
    given = ("--input", "-") if body is not None else ()
    argv = ["gh", "api", f"repos/{repository}/{path}", *flags, *given]
    text = json.dumps({"body": body}) if body is not None else None
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ToolError("gh", "it is not installed", "install it: https://cli.github.com") from None
    if done.returncode != 0:
        raise ToolError(
            f"gh api {path}",
            done.stderr.strip() or f"it ended with exit code {done.returncode}",
            "check GH_TOKEN and the permissions of the job",
        )
    return json.loads(done.stdout)
