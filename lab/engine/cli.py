"""The command line: options, lock, config and state around a deployment."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from lab.engine import backend, config, outputs
from lab.engine.backend import StackFiles
from lab.engine.crypter import Crypter, read_passphrase
from lab.engine.deployment import Deployment, Options
from lab.engine.display import Display, nobody_reads
from lab.engine.errors import EngineError
from lab.engine.guard import refuse_real_clouds
from lab.engine.lock import StackLock
from lab.engine.state import State, salt_of

_DONE, _WRONG, _CANCELLED = 0, 1, 130
_OUTCOMES = {_DONE: "done", _WRONG: "FAILED", _CANCELLED: "CANCELLED"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    options = _parse(arguments)
    try:
        return _run(options)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return _WRONG
    except KeyboardInterrupt:
        print("cancelled before anything was changed", file=sys.stderr)
        return _CANCELLED


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lab.engine",
        description="Run a Pulumi program without the Pulumi CLI: for this machine's stacks only.",
        epilog="Environment, as for the official CLI: PULUMI_BACKEND_URL (file:///folder), "
        "PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE, PULUMI_HOME. Exit codes: 0 "
        "done, 1 something is wrong, 130 cancelled.",
    )
    parser.add_argument("what", choices=["preview", "up", "refresh", "destroy", "outputs"])
    parser.add_argument("--stack", required=True, help="the stack's name, e.g. dev")
    parser.add_argument("--config-file", type=Path, help="default: Pulumi.<stack>.yaml")
    parser.add_argument("--cwd", type=Path, default=Path(), help="the folder of Pulumi.yaml")
    parser.add_argument("--parallel", type=int, default=16, help="steps at once (default 16)")
    parser.add_argument("--json", action="store_true", help="outputs as JSON")
    parser.add_argument("--show-secrets", action="store_true", help="outputs with secrets")
    parser.add_argument("--continue-on-error", action="store_true")
    parser.add_argument("--refresh", action="store_true", help="refresh first")
    parser.add_argument(
        "--clear-pending-creates",
        action="store_true",
        help="forget creates that a killed run had begun",
    )
    parser.add_argument("--events", type=Path, help="write JSON lines of {op, urn} here")
    options = parser.parse_args(arguments)
    if options.parallel < 1:
        parser.error(f"--parallel {options.parallel}: give 1 or more")
    return options


def _run(options: argparse.Namespace) -> int:
    project = config.load_project(options.cwd.absolute())
    url = os.environ.get("PULUMI_BACKEND_URL") or project.backend_url
    files = backend.open_stack(url, project.name, options.stack)
    file = options.config_file or options.cwd / f"Pulumi.{options.stack}.yaml"
    if options.what == "outputs":
        return _show_outputs(files, options)
    with _locked(files):
        crypter = _crypter(files, file, write=True)
        stack_config = config.load_stack(project, options.stack, file, crypter)
        refuse_real_clouds(stack_config)
        dry = options.what == "preview"
        state = State(files, crypter, dry)
        if state.recovered:
            _tell(
                f"continuing a run that was killed: {state.recovered} changes of its journal kept"
            )
        with _event_log(options.events) as log:
            display = Display(dry, log)
            display.hide(stack_config.values[key] for key in stack_config.secret_keys)
            deployment = Deployment(
                project,
                options.stack,
                stack_config,
                state,
                display,
                Options(
                    options.parallel,
                    options.continue_on_error,
                    options.refresh,
                    options.clear_pending_creates,
                ),
                dry,
            )
            code = _execute(deployment, options.what, state)
            display.close(f"{options.what} {_OUTCOMES[code]}")
    if code == _CANCELLED:
        _tell(f"what was done is in the state; go on with: {options.what} --stack {options.stack}")
    return code


def _execute(deployment: Deployment, what: str, state: State) -> int:
    """Run in a thread of its own, so that Ctrl-C finds the main thread free."""
    succeeded: list[bool] = []
    presses = 0

    def work() -> None:
        try:
            succeeded.append(deployment.execute(what))
        except EngineError as error:
            deployment.run.fail(str(error))

    worker = threading.Thread(target=work)

    def on_interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal presses
        presses += 1
        if presses == 1:
            _tell("cancelling: running steps are being ended; press Ctrl-C again to stop at once")
            threading.Thread(target=deployment.cancel, daemon=True).start()
        else:
            _tell(state.stop_at_once())
            os._exit(_CANCELLED)

    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, on_interrupt)
    worker.start()
    while worker.is_alive():
        worker.join(0.1)
    if deployment.run.interrupted.is_set():
        return _CANCELLED
    return _DONE if succeeded == [True] else _WRONG


@contextlib.contextmanager
def _locked(files: StackFiles) -> Iterator[None]:
    lock = StackLock(files)
    lock.acquire(_tell)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _event_log(file: Path | None) -> Iterator[IO[str] | None]:
    if file is None:
        yield None
    else:
        with file.open("w", encoding="utf-8") as log:
            yield log


def _crypter(files: StackFiles, file: Path, write: bool) -> Crypter:
    """The stack's crypter: by the config's salt, else the state's, else a new one."""
    passphrase = read_passphrase(os.environ)
    salt = config.read_salt(file)
    if salt:
        return Crypter(passphrase, salt)
    deployment, _ = backend.read_checkpoint(files)
    salt = salt_of(deployment or {})
    crypter = Crypter(passphrase, salt) if salt else Crypter.with_new_salt(passphrase)
    if write:
        config.write_salt(file, crypter.salt_line)
    return crypter


def _show_outputs(files: StackFiles, options: argparse.Namespace) -> int:
    deployment, _ = backend.read_checkpoint(files)
    if deployment is None:
        raise EngineError(
            f"stack {options.stack} has no outputs — it does not exist in {files.root} — run up "
            "first"
        )
    crypter = Crypter(read_passphrase(os.environ), salt_of(deployment))
    found = outputs.of_stack(State(files, crypter, dry=True))
    show = outputs.print_json if options.json else outputs.print_table
    show(found, options.show_secrets)
    return _DONE


def _tell(message: str) -> None:
    try:
        print(message, file=sys.stderr, flush=True)
    except BrokenPipeError:
        nobody_reads()
