"""One preview, up, refresh or destroy from beginning to end."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.engine import builtin, deletes, processes
from lab.engine.backend import ORGANIZATION
from lab.engine.config import Project, StackConfig
from lab.engine.errors import EngineError
from lab.engine.monitor import EngineService, Monitor, serve_engine, serve_monitor
from lab.engine.plugins import Plugin
from lab.engine.refresh import refresh
from lab.engine.register import Registrar
from lab.engine.registry import ProviderResources
from lab.engine.run import Events, Run
from lab.engine.state import State

_RUNNER = Path(__file__).with_name("program.py")
_SECONDS_TO_END = 30
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Options:
    """How to run."""

    parallel: int = 16
    continue_on_error: bool = False
    refresh_first: bool = False
    clear_pending_creates: bool = False


class Deployment:
    """Wires the parts together and runs them."""

    def __init__(
        self,
        project: Project,
        stack: str,
        config: StackConfig,
        state: State,
        events: Events,
        options: Options,
        dry: bool,
    ) -> None:
        self._project, self._options, self._events = project, options, events
        main = project.main
        self._folder = main if main.is_dir() else main.parent
        self.run = Run(
            project=project.name,
            stack=stack,
            folder=self._folder,
            dry=dry,
            parallel=options.parallel,
            continue_on_error=options.continue_on_error,
            config=config,
            state=state,
            providers=ProviderResources(self._start_plugin, state, dry),
            events=events,
        )
        self._monitor = Monitor(self.run, Registrar(self.run))
        self._engine_server, self._engine_address = serve_engine(EngineService(self.run))
        self._monitor_server, self._monitor_address = serve_monitor(self._monitor)

    def execute(self, what: str) -> bool:
        """Do ``what`` (preview, up, refresh or destroy); True when there was no error."""
        run = self.run
        run.state.open(self._options.clear_pending_creates)
        self._warn_of_interrupted()
        with self._ending():
            if what == "refresh" or self._options.refresh_first:
                refresh(run)
            run.index()
            if run.errors or run.cancelled.is_set():
                return False
            if what == "destroy":
                deletes.delete_stack(run)
            elif what in ("up", "preview"):
                self._run_program()
        return not run.errors and not run.interrupted.is_set()

    def cancel(self) -> None:
        """Start nothing more, ask the providers to give up what they do, and end."""
        self.run.interrupted.set()
        self.run.cancelled.set()
        self.run.providers.cancel()

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """However the run goes: the state is written, and nothing is left running."""
        run = self.run
        try:
            yield
        except EngineError as error:
            run.fail(str(error))
        finally:
            run.cancelled.set()
            run.finished.set()
            self._monitor_server.stop(grace=None)
            run.activity.wait_until_idle()
            run.providers.close()
            self._engine_server.stop(grace=None).wait()
            run.state.close()

    def _run_program(self) -> None:
        run = self.run
        program = self._start_program()
        while not run.program_done.wait(_POLL_SECONDS) and program.poll() is None:
            if run.interrupted.is_set():
                break
        if run.program_done.is_set() and not run.errors and not run.cancelled.is_set():
            deletes.delete_unwanted(run)
        run.finished.set()
        code = self._end_of(program)
        if code and not run.errors and not run.interrupted.is_set():
            run.fail(f"the program ended with exit code {code}")
        self._record_stack_outputs(failed=bool(code or run.errors))

    def _start_program(self) -> "subprocess.Popen[str]":
        run, project = self.run, self._project
        settings = {
            "monitor": self._monitor_address,
            "engine": self._engine_address,
            "project": run.project,
            "stack": run.stack,
            "parallel": run.parallel,
            "dry_run": run.dry,
            "organization": ORGANIZATION,
            "root_directory": str(project.folder),
        }
        environment = {
            "LAB_ENGINE_SETTINGS": json.dumps(settings),
            "PULUMI_CONFIG": json.dumps(run.config.values),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(run.config.secret_keys),
        }
        python = self._python()
        command = [python, "-P", "-u", str(_RUNNER), str(project.main)]
        program = processes.spawn(command, self._folder, environment)
        self._readers = [
            processes.follow(program.stdout, lambda line: self._events.said("info", line)),
            processes.follow(program.stderr, lambda line: self._events.said("info", line)),
        ]
        return program

    def _python(self) -> str:
        """The project's own interpreter, else the engine's."""
        if self._project.virtualenv is None:
            return sys.executable
        python = self._project.virtualenv / "bin" / "python"
        if not os.access(python, os.X_OK):
            raise EngineError(
                f"Pulumi.yaml: runtime.options.virtualenv: {self._project.virtualenv} — it holds "
                "no bin/python — make the virtual environment first"
            )
        return str(python)

    def _end_of(self, program: "subprocess.Popen[str]") -> int:
        """The program's exit code, once it has ended or been ended."""
        deadline = time.monotonic() + _SECONDS_TO_END
        while program.poll() is None and time.monotonic() < deadline:
            if self.run.interrupted.is_set():
                break
            time.sleep(_POLL_SECONDS)
        if program.poll() is None:
            processes.stop(program)
        for reader in self._readers:
            reader.join(_SECONDS_TO_END)
        return program.returncode

    def _record_stack_outputs(self, failed: bool) -> None:
        if self._monitor.stack_outputs:
            resource, outputs = self._monitor.stack_outputs
            resource.outputs = {**resource.outputs, **outputs} if failed else outputs
            self.run.state.commit(changed=[resource])

    def _start_plugin(self, package: str, version: str) -> Plugin:
        if package == builtin.PACKAGE:
            return builtin.Builtin(self.run.state, self.run.project, self._events.hide)

        def tell(line: str) -> None:
            self._events.said("debug", f"{package}: {line}")

        return Plugin(package, version, self._engine_address, self._folder, tell)

    def _warn_of_interrupted(self) -> None:
        if not self.run.state.interrupted or self._options.clear_pending_creates:
            return
        lines = [
            f"  * {o.resource.urn}, interrupted while {o.kind}" for o in self.run.state.interrupted
        ]
        self._events.said(
            "warning",
            f"{len(lines)} pending operations from previous deployment:\n"
            + "\n".join(lines)
            + "\nThese resources are in an unknown state, as the run was interrupted. Look whether "
            "they exist; then `refresh` brings the state up to date, and `refresh "
            "--clear-pending-creates` drops the creates from this list.",
        )
