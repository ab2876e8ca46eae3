"""What actionlint, which `make check` runs, cannot know of this project's workflows.

Each rule is also tried on a workflow that breaks it.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks import scalars
from tools import stackfile

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
Workflow = dict[str, Any]

# Each job's permissions: a job that is not here has none, and none has more.
PERMISSIONS = {
    "preview": {
        "stacks": {"contents": "read"},
        "preview": {"contents": "read", "id-token": "write"},
        "comment": {"contents": "read", "pull-requests": "write"},
    },
    "up": {
        "stacks": {"contents": "read", "actions": "read"},
        "staging": {"contents": "read", "actions": "read", "id-token": "write"},
        "hybrid": {"contents": "read", "actions": "read", "id-token": "write"},
        "production": {"contents": "read", "actions": "read", "id-token": "write"},
    },
    "test": {"check": {"contents": "read"}, "cluster": {"contents": "read"}},
}
NOT_A_FORK = "github.event.pull_request.head.repo.full_name == github.repository"
# An action that others than GitHub and AWS wrote would be one more to trust.
ACTIONS = {
    "actions/checkout",
    "actions/cache",
    "actions/upload-artifact",
    "actions/download-artifact",
    "aws-actions/configure-aws-credentials",
}


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text()


def workflow(name: str) -> Workflow:
    loaded: Workflow = scalars.load(text_of(name))
    return copy.deepcopy(loaded)


def jobs(flow: Workflow) -> Mapping[str, dict[str, Any]]:
    found: Mapping[str, dict[str, Any]] = flow["jobs"]
    return found


def steps(flow: Workflow) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step, with its job's name."""
    for name, job in jobs(flow).items():
        for step in job["steps"]:
            yield name, step


def cloud_stacks() -> set[str]:
    return {name for name in stackfile.names() if not stackfile.load(name).is_local}


# --- the rules: each gives what breaks it -----------------------------------------------------


def unsafe_triggers(flow: Workflow) -> list[str]:
    """Events that run a stranger's code beside this repository's secrets."""
    return [event for event in flow["on"] if event in ("pull_request_target", "workflow_run")]


def wrong_permissions(flow: Workflow) -> list[str]:
    given = {name: job["permissions"] for name, job in jobs(flow).items() if "permissions" in job}
    expected = PERMISSIONS[flow["name"]]
    wrong = [name for name in {*given, *expected} if given.get(name) != expected.get(name)]
    return wrong if flow.get("permissions") == {} else ["the workflow's own are not {}", *wrong]


def secrets_within_reach_of_forks(flow: Workflow) -> list[str]:
    """Jobs of a pull request with a secret, a role or a token that writes, and no condition."""
    if "pull_request" not in flow["on"]:
        return []
    return [
        name
        for name, job in jobs(flow).items()
        if ("secrets." in str(job) or "write" in (job.get("permissions") or {}).values())
        and NOT_A_FORK not in job.get("if", "")
    ]


def secrets_beyond_their_step(flow: Workflow) -> list[str]:
    """Jobs that hand a secret to more than one step, or have it without an environment."""
    wrong = []
    for name, job in jobs(flow).items():
        around = {key: value for key, value in job.items() if key != "steps"}
        with_secrets = [step for step in job["steps"] if "secrets." in str(step)]
        if "secrets." in str(around) or len(with_secrets) > 1:
            wrong.append(name)
        if with_secrets and "environment" not in job:
            wrong.append(name)
    return wrong + [key for key in ("env",) if "secrets." in str(flow.get(key))]


def unbounded_jobs(flow: Workflow) -> list[str]:
    return [name for name, job in jobs(flow).items() if "timeout-minutes" not in job]


def expressions_in_shell(flow: Workflow) -> list[str]:
    """Scripts with a value written into them: a branch's name can be a command."""
    return [name for name, step in steps(flow) if "${{" in step.get("run", "")]


def credentials_left_in_checkouts(flow: Workflow) -> list[str]:
    return [
        name
        for name, step in steps(flow)
        if step.get("uses", "").startswith("actions/checkout@")
        and (step.get("with") or {}).get("persist-credentials") is not False
    ]


def stacks_out_of_order(flow: Workflow) -> list[str]:
    """Jobs of `up` that are not one stack, in its own environment, after all those before it."""
    order = [name for name in jobs(flow) if name != "stacks"]
    wrong = sorted(cloud_stacks() ^ set(order))
    wrong += [name for name in order if jobs(flow)[name]["environment"] != name]
    for index, name in enumerate(order):
        needs = jobs(flow)[name]["needs"]
        before = {"stacks", *order[:index]}
        if set([needs] if isinstance(needs, str) else needs) != before:
            wrong.append(name)
        if f"'{name}'" not in jobs(flow)[name]["if"]:
            wrong.append(name)
    return wrong if order[-1] == "production" else ["production is not the last", *wrong]


RULES: tuple[Callable[[Workflow], list[str]], ...] = (
    unsafe_triggers,
    wrong_permissions,
    secrets_within_reach_of_forks,
    secrets_beyond_their_step,
    unbounded_jobs,
    expressions_in_shell,
    credentials_left_in_checkouts,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", sorted(PERMISSIONS))
def test_a_workflow_keeps_to(name: str, rule: Callable[[Workflow], list[str]]) -> None:
    assert rule(workflow(name)) == []


def test_there_are_no_other_workflows() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == ["preview.yml", "test.yml", "up.yml"]


# --- a workflow that breaks a rule is found ---------------------------------------------------


def broken(change: Callable[[Workflow], Any], name: str = "preview") -> Workflow:
    flow = workflow(name)
    change(flow)
    return flow


DEV = {"environment": "dev", "needs": "stacks", "if": "contains(x, 'dev')", "steps": []}


@pytest.mark.parametrize(
    ("rule", "flow"),
    [
        (unsafe_triggers, broken(lambda f: f["on"].update(pull_request_target=None))),
        (wrong_permissions, broken(lambda f: f.pop("permissions"))),
        (
            wrong_permissions,
            broken(lambda f: f["jobs"]["fork"].update(permissions={"contents": "write"})),
        ),
        (wrong_permissions, broken(lambda f: f["jobs"]["preview"]["permissions"].clear())),
        (secrets_within_reach_of_forks, broken(lambda f: f["jobs"]["preview"].pop("if"))),
        (secrets_within_reach_of_forks, broken(lambda f: f["jobs"]["comment"].pop("if"))),
        (
            secrets_beyond_their_step,
            broken(lambda f: f["jobs"]["preview"].update(env={"A": "${{ secrets.A }}"})),
        ),
        (secrets_beyond_their_step, broken(lambda f: f["jobs"]["preview"].pop("environment"))),
        (unbounded_jobs, broken(lambda f: f["jobs"]["fork"].pop("timeout-minutes"))),
        (
            expressions_in_shell,
            broken(lambda f: f["jobs"]["fork"]["steps"][0].update(run="echo ${{ github.x }}")),
        ),
        (
            credentials_left_in_checkouts,
            broken(lambda f: f["jobs"]["stacks"]["steps"][0]["with"].pop("persist-credentials")),
        ),
        (stacks_out_of_order, broken(lambda f: f["jobs"].pop("hybrid"), "up")),
        (stacks_out_of_order, broken(lambda f: f["jobs"].update(dev=DEV), "up")),
        (
            stacks_out_of_order,
            broken(lambda f: f["jobs"]["production"].update(needs=["stacks", "staging"]), "up"),
        ),
        (
            stacks_out_of_order,
            broken(lambda f: f["jobs"]["staging"].update(environment="production"), "up"),
        ),
    ],
)
def test_a_rule_that_is_broken_is_noticed(
    rule: Callable[[Workflow], list[str]], flow: Workflow
) -> None:
    assert rule(flow) != []


# --- what a team relies on --------------------------------------------------------------------


def test_every_action_is_one_commit_with_the_version_that_it_is() -> None:
    used = re.findall(r"uses: (.*)", "".join(map(text_of, PERMISSIONS)))
    pinned = [re.fullmatch(r"(\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line) for line in used]

    assert None not in pinned, used
    versions = {match.groups() for match in pinned if match}
    assert {action for action, _, _ in versions} == ACTIONS
    assert len(versions) == len(ACTIONS), "one action has two versions"


def test_every_stack_on_a_cloud_is_brought_up_one_after_another_production_last() -> None:
    assert stacks_out_of_order(workflow("up")) == []


def test_no_stack_on_this_machine_is_brought_up_by_a_merge() -> None:
    assert "dev" not in jobs(workflow("up"))


def test_only_main_comes_up_and_no_run_is_cut_off() -> None:
    up = workflow("up")

    assert up["on"]["push"] == {"branches": ["main"]}
    assert jobs(up)["stacks"]["if"] == "github.ref == 'refs/heads/main'"
    assert up["concurrency"] == {"group": "up", "cancel-in-progress": False}


def test_no_stack_comes_up_when_one_before_it_failed() -> None:
    for name, job in jobs(workflow("up")).items():
        if name not in ("stacks", "staging"):  # those have the default, success()
            assert "!failure() && !cancelled()" in job["if"]


def test_a_fork_is_told_why_nothing_is_previewed() -> None:
    preview = jobs(workflow("preview"))

    assert preview["fork"]["if"] == NOT_A_FORK.replace("==", "!=")
    assert "GITHUB_STEP_SUMMARY" in preview["fork"]["steps"][0]["run"]
    for name in preview.keys() - {"fork"}:
        assert NOT_A_FORK in preview[name]["if"]


def test_a_preview_has_credentials_of_its_own_and_the_comment_has_none() -> None:
    preview = jobs(workflow("preview"))

    assert preview["preview"]["environment"]["name"] == "${{ matrix.stack }}-preview"
    assert "environment" not in preview["comment"]
    assert "write" not in preview["preview"]["permissions"].get("pull-requests", "")


def test_both_drive_the_stacks_with_the_cli_that_the_project_pins() -> None:
    makes = [
        step
        for name in ("preview", "up")
        for _, step in steps(workflow(name))
        if re.search(r"^make (preview|up) ", step.get("run", ""), re.MULTILINE)
    ]

    assert len(makes) == 1 + len(cloud_stacks())
    assert {step["env"]["ENGINE"] for step in makes} == {"pinned"}


def test_no_long_lived_key_of_aws_is_anywhere() -> None:
    everything = "".join(map(text_of, PERMISSIONS))

    assert "AWS_ACCESS_KEY_ID" not in everything
    assert "AWS_SECRET_ACCESS_KEY" not in everything
    assert everything.count("role-to-assume: ${{ vars.AWS_ROLE }}") == 2


def test_all_that_a_team_must_set_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "pull-requests.md").read_text()
    everything = "".join(map(text_of, PERMISSIONS))
    settings = set(re.findall(r"(?:secrets|vars)\.([A-Z_]+)", everything))
    environments = {f"`{name}{suffix}`" for name in cloud_stacks() for suffix in ("", "-preview")}

    assert settings >= {"PULUMI_ACCESS_TOKEN", "AWS_ROLE", "UP_RUNNER"}
    assert [name for name in sorted(settings) if f"`{name}`" not in guide] == []
    assert [name for name in sorted(environments) if name not in guide] == []


def test_the_two_commands_of_the_readme_are_run_and_taken_away_again() -> None:
    runs = [
        (step["run"].split(" make ")[-1], step)
        for step in jobs(workflow("test"))["cluster"]["steps"]
        if " make " in step.get("run", "")
    ]

    assert [command for command, _ in runs] == ["up", "test", "destroy"]
    assert runs[-1][1]["if"] == "always()"
    assert all("timeout-minutes" in step for _, step in runs)
    readme = (ROOT / "README.md").read_text().partition("## Two commands")[2]
    assert re.findall(r"^    make (\w+)", readme, re.MULTILINE)[:2] == ["up", "test"]
