"""Mistakes in a stack file, told before anything is installed, built or made."""

from stacks import scalars
from tools.messages import ToolError
from tools.paths import PROJECT
from tools.stackfile import StackFile


def check(stack: StackFile) -> None:
    """Reads the settings as the program will. Raises ToolError with every mistake.

    Left to the program where values are encrypted: only the engine can read those.
    """
    if stack.has_secrets:
        return
    # The SDK takes its time to load: only commands that run the program wait for it.
    from components.problems import SettingsError
    from stacks.settings import SECRET_KEYS, parse

    prefix = f"{PROJECT}:"
    try:
        raw = {
            key.removeprefix(prefix): scalars.text(key, value)
            for key, value in stack.config.items()
            if key.startswith(prefix)
        }
    except scalars.UnreadableError as error:
        raise ToolError(stack.path.name, str(error), "put it right, then run it again") from None
    # Nothing here is encrypted, so a secret key that is here stands in clear.
    in_clear = [key for key in SECRET_KEYS if raw.pop(key, None) is not None]
    try:
        parse(stack.name, raw, operator_key_given="operatorKey" in in_clear, in_clear=in_clear)
    except SettingsError as error:
        # The mistakes come last, a line each: nothing is to be read as a part of one of them.
        count, _, each = str(error).partition(":\n")
        right = (
            "put it right, then run it again"
            if len(error.problems) == 1
            else ("put these right, then run it again")
        )
        raise ToolError(stack.path.name, count, f"{right}:\n{each}") from None
