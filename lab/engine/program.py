"""Runs the user's program, in a process of its own: ``python -P program.py MAIN``.

Does what ``pulumi-language-python-exec`` does. Settings come as JSON in LAB_ENGINE_SETTINGS,
config in PULUMI_CONFIG and PULUMI_CONFIG_SECRET_KEYS. Exit codes: 0 done, 1 the program told
of an error itself, 32 it ended in an exception. Stands alone: it imports nothing of the lab.
"""

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
from pulumi import runtime

_UNHANDLED = 32
_MONITOR_IS_GONE = "Resource monitor has terminated"
_THREADS_A_SLOT = 4


def main() -> int:
    program, settings = sys.argv[1], json.loads(os.environ.pop("LAB_ENGINE_SETTINGS"))
    runtime.set_all_config(runtime.get_config_env(), runtime.get_config_secret_keys_env())
    runtime.configure(runtime.Settings(**settings))
    sys.argv = [program]
    folder = Path(program) if Path(program).is_dir() else Path(program).parent
    sys.path.insert(0, str(folder))  # for what is imported after runpy has returned
    # After an error part of the program is never awaited; asyncio would complain at length.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    threads = max(settings["parallel"], 1) * _THREADS_A_SLOT
    loop.set_default_executor(ThreadPoolExecutor(max_workers=threads))
    try:
        loop.run_until_complete(runtime.run_in_stack(lambda: _run(program)))
    except pulumi.RunError as error:
        if not str(error).startswith(_MONITOR_IS_GONE):  # the engine has said why
            pulumi.log.error(str(error))
        return 1
    except Exception:  # the program's error is shown, whatever it is
        pulumi.log.error("Program failed with an unhandled exception:\n" + _users_part(folder))
        return _UNHANDLED
    return 0


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _users_part(folder: Path) -> str:
    """The traceback from the program's own first frame on."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    for index, frame in enumerate(frames):
        if Path(frame.filename).resolve().is_relative_to(folder.resolve()):
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of the SDK may still wait for a monitor that is gone
