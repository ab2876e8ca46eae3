"""`python -m tools <command>`: what the Makefile runs."""

import argparse
import sys

from tools import check, commands, pin, testing
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
    return 1


def _run(given: argparse.Namespace) -> int:
    if given.command == "check":
        return check.run()
    if given.command == "test":
        return testing.run(given.words)
    if given.command == "pin":
        pin.run()
    elif given.command == "outputs":
        flags = ("--json", given.json), ("--show-secrets", given.show_secrets)
        commands.outputs(given.stack, *(flag for flag, wanted in flags if wanted))
    else:
        commands.COMMANDS[given.command](given.stack)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    parsers = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.COMMANDS.items():
        sub = parsers.add_parser(name, help=command.__doc__)
        sub.add_argument("--stack", default="dev", help="the <stack> of a Pulumi.<stack>.yaml")
        if name == "outputs":
            sub.add_argument("--json", action="store_true")
            sub.add_argument("--show-secrets", action="store_true", help="secrets in clear")
    parsers.add_parser("check", help=check.__doc__)
    parsers.add_parser("pin", help=pin.__doc__)
    test = parsers.add_parser("test", help=testing.__doc__)
    test.add_argument("words", nargs="*", help="further words for pytest, after --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
