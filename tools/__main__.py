"""`python -m tools <command> --stack NAME`: what the Makefile runs."""

import argparse
import sys

from tools import check, commands, pin, testing
from tools.messages import ToolError, say


def main() -> int:
    """0 when the command did it, 1 when not: then one message says why."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    parser.add_argument("command", choices=[*commands.COMMANDS, "check", "pin", "test"])
    parser.add_argument("--stack", default="dev")
    parser.add_argument("words", nargs="*", help="of `test`: further words for pytest")
    given = parser.parse_args()
    try:
        if given.command == "check":
            return check.run()
        if given.command == "test":
            return testing.run(given.words)
        if given.command == "pin":
            pin.run()
            return 0
        commands.COMMANDS[given.command](given.stack)
    except ToolError as error:
        say(f"make {given.command}: {error}")
        return 1
    except KeyboardInterrupt:
        say(f"make {given.command}: interrupted")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
