"""`python -m tools <command>`: what the Makefile runs."""

import argparse
import errno
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools import changed_stacks, check, commands, github, images, pin, previews, testing
from tools.bench import run as bench
from tools.messages import ToolError, say


def main() -> int:
    """0 when the command did it, 1 when not: then one message says why."""
    given = _parser().parse_args()
    try:
        return _run(given)
    except ToolError as error:
        say(f"make {given.command}: {error}")
    except KeyboardInterrupt:
        say(f"make {given.command}: interrupted")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        place = error.filename or "a file system on this machine"
        say(f"make {given.command}: {place} — it is full — free some (df -h), then run it again")
    return 1


def _run(given: argparse.Namespace) -> int:
    if given.command in _OTHERS:
        return _OTHERS[given.command](given) or 0
    if given.command == "outputs":
        flags = ("--json", given.json), ("--show-secrets", given.show_secrets)
        commands.outputs(given.stack, *(flag for flag, wanted in flags if wanted))
    elif given.command == "up":
        commands.up(given.stack, unattended=given.unattended)
    else:
        commands.COMMANDS[given.command](given.stack)
    return 0


def _changed_stacks(given: argparse.Namespace) -> None:
    base = github.last_success(given.since) if given.since else given.base or ""
    for name in changed_stacks.gone(base, given.head):
        say(f"Pulumi.{name}.yaml is gone, its cluster is not: destroy it from a commit before")
    print(json.dumps(changed_stacks.between(base, given.head)))


def _comment(given: argparse.Namespace) -> None:
    stacks = json.loads(given.stacks)
    body = previews.comment(
        previews.read(given.folder, stacks), commit=given.commit, run_url=given.run
    )
    done = github.write_comment(given.pull_request, previews.MARKER, body, only_update=not stacks)
    say(f"comment {done}")


# Commands that are about no stack in particular, or about several.
_OTHERS: Mapping[str, Callable[[argparse.Namespace], int | None]] = {
    "check": lambda _: check.run(),
    "test": lambda given: testing.run(given.words),
    "bench": lambda given: bench.run(given.words),
    "pin": lambda _: pin.run(),
    "images": lambda given: images.run(given.stack),
    "changed-stacks": _changed_stacks,
    "comment": _comment,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    parsers = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.COMMANDS.items():
        sub = parsers.add_parser(name, help=command.__doc__)
        _add_stack(sub)
        if name == "outputs":
            sub.add_argument("--json", action="store_true")
            sub.add_argument("--show-secrets", action="store_true", help="secrets in clear")
        if name == "up":
            text = "ask nothing, and leave no kubeconfig here: for machines of nobody's own"
            sub.add_argument("--unattended", action="store_true", help=text)
    _add_stack(parsers.add_parser("images", help=images.__doc__))
    parsers.add_parser("check", help=check.__doc__)
    parsers.add_parser("pin", help=pin.__doc__)
    test = parsers.add_parser("test", help=testing.__doc__)
    test.add_argument("words", nargs="*", help="further words for pytest, after --")
    measured = parsers.add_parser("bench", help=bench.__doc__)
    measured.add_argument("words", nargs="*", help="--runs, --shapes, --addons, after --")
    _add_workflows(parsers)
    return parser


def _add_stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", default="dev", help="the <stack> of a Pulumi.<stack>.yaml")


def _add_workflows(parsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What the workflows in .github run."""
    changed = parsers.add_parser("changed-stacks", help=changed_stacks.__doc__)
    base = changed.add_mutually_exclusive_group(required=True)
    base.add_argument("--base", help="the commit before the change; empty for all stacks")
    base.add_argument(
        "--since",
        metavar="WORKFLOW",
        help="its last success on main, in place of --base; empty for all stacks",
    )
    changed.add_argument("--head", required=True, help="the commit with the change")
    comment = parsers.add_parser("comment", help=previews.__doc__)
    comment.add_argument("--folder", type=Path, required=True, help="with <stack>.log, .outcome")
    comment.add_argument("--stacks", required=True, help="what changed-stacks printed")
    comment.add_argument("--pull-request", type=int, required=True, help="its number")
    comment.add_argument("--commit", required=True, help="the commit that was previewed")
    comment.add_argument("--run", required=True, help="address of the run")


if __name__ == "__main__":
    sys.exit(main())
