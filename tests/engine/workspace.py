"""A project with a stack of its own, driven by either engine."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from lab.engine import cli
from lab.engine.crypter import Crypter

HERE = Path(__file__).parent
CLONE = HERE.parent.parent
STACK, PROJECT = "dev", "scenario"
PASSPHRASE = "a passphrase for tests"
SECONDS_A_COMMAND = 600
_crypter = Crypter.with_new_salt(PASSPHRASE)


@dataclass
class Outcome:
    """What one command did."""

    code: int
    said: str
    operations: dict[str, list[str]] = field(default_factory=dict)
    """By label; without what stayed as it was and without default providers."""


class Workspace:
    """A folder with project, backend and the database of the provider `pyp`."""

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        self.folder, self.db, self.backend = folder / "project", folder / "db", folder / "backend"
        for made in (self.folder, self.db, self.backend, folder / "home"):
            made.mkdir(exist_ok=True)
        shutil.copy(HERE / "scenarios" / "things.py", self.folder)
        if program:
            shutil.copy(program, self.folder / "__main__.py")
        self._events = folder / "events"
        project = {
            "name": PROJECT,
            "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}},
            "config": {"defaulted": {"type": "string", "default": "by the project"}},
        }
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        self.configure({})
        self.environment = {
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # has --event-log
            "PYP_DB": str(self.db),
            "LAB_ENGINE_TEST_PACKAGES": "pyp",
            "LAB_PYTHON": sys.executable,
            "PATH": f"{HERE / 'provider'}:{CLONE / 'lab/plugins/bin'}:{os.environ['PATH']}",
        }

    def write_program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)

    def configure(self, values: dict[str, Any]) -> None:
        """Write the stack's config; ``{secret: text}`` becomes an encrypted value."""
        document = {"encryptionsalt": _crypter.salt_line, "config": _encrypted(values)}
        (self.folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document))

    # Driving it

    def lab(self, what: str, *flags: str, **variables: str) -> Outcome:
        """The lab engine, within this process, as that saves half of the time."""
        arguments = [what, "--stack", STACK, "--cwd", str(self.folder), *flags]
        if what != "outputs":
            arguments += ["--events", str(self._events)]
        self._events.unlink(missing_ok=True)
        said = io.StringIO()
        with (
            mock.patch.dict(os.environ, {**self.environment, **variables}),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            code = cli.main(arguments)
        return Outcome(code, said.getvalue(), _collect(what, _lab_events(self._events)))

    def lab_command(self, what: str, *flags: str) -> list[str]:
        """The lab engine's command line, for a process of its own."""
        where = ["--stack", STACK, "--cwd", str(self.folder)]
        return [sys.executable, "-m", "lab.engine", what, *where, *flags]

    def start_lab(self, what: str, *flags: str, **variables: str) -> "subprocess.Popen[str]":
        """The lab engine in a process of its own."""
        return subprocess.Popen(
            self.lab_command(what, *flags),
            cwd=CLONE,
            env={**os.environ, **self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pulumi(self, what: str, *flags: str, **variables: str) -> Outcome:
        """The official CLI."""
        common = ["--stack", STACK, "--non-interactive"]
        if not (self.backend / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json").exists():
            self._pulumi(["stack", "init", STACK], {})
        self._events.unlink(missing_ok=True)
        if what != "preview":
            common += ["--yes", "--skip-preview"]
        arguments = [what, *common, "--event-log", str(self._events), *flags]
        done = self._pulumi(arguments, variables)
        events = _collect(what, _pulumi_events(self._events))
        return Outcome(done.returncode, done.stdout, events)

    def pulumi_outputs(self, *flags: str) -> Any:
        """The outputs as the official CLI shows them."""
        arguments = ["stack", "output", "--json", "--stack", STACK, *flags]
        return json.loads(self._pulumi(arguments, {}).stdout)

    def _pulumi(self, arguments: list[str], variables: dict[str, str]) -> Any:
        return subprocess.run(
            ["pulumi", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_A_COMMAND,
            check=False,
        )

    def drive(self, engine: str, what: str, *flags: str, **variables: str) -> Outcome:
        play = self.lab if engine == "lab" else self.pulumi
        return play(what, *flags, **variables)

    # Looking at it

    @property
    def checkpoint_file(self) -> Path:
        return self.backend / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json"

    def deployment(self) -> dict[str, Any]:
        if not self.checkpoint_file.exists():
            return {}
        return json.loads(self.checkpoint_file.read_text())["checkpoint"].get("latest") or {}

    def resources(self) -> list[dict[str, Any]]:
        return self.deployment().get("resources") or []

    def resource(self, name: str) -> dict[str, Any]:
        return next(r for r in self.resources() if r["urn"].endswith(f"::{name}"))

    def state(self) -> dict[str, str]:
        """Labels and ids; what waits to be deleted or made again is marked."""
        return {_key(r): _id(r) for r in self.resources() if not _is_default(r["urn"])}

    def outputs(self) -> dict[str, Any]:
        stack = next((r for r in self.resources() if r["type"] == "pulumi:pulumi:Stack"), {})
        return stack.get("outputs") or {}

    def calls(self, call: str) -> list[dict[str, Any]]:
        """The provider's calls of one kind."""
        lines = (self.db / "calls").read_text().splitlines()
        return [c for c in map(json.loads, lines) if c["call"] == call]

    def stored(self) -> set[str]:
        """Ids of the things that exist."""
        return {file.stem for file in self.db.glob("*.json")}

    def drift(self, changes: dict[str, str | None]) -> None:
        """Change the ``value`` of things behind the stack's back; None takes one away."""
        for id_, value in changes.items():
            file = self.db / f"{id_}.json"
            if value is None:
                file.unlink()
            else:
                file.write_text(json.dumps({**json.loads(file.read_text()), "value": value}))


def pulumi_version() -> tuple[int, ...]:
    """Major and minor version of the official CLI on the PATH."""
    said = subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.strip().removeprefix("v").split(".")[:2])


def label(urn: str) -> str:
    """A URN without stack and project, its types shortened: ``Component$Thing/name``."""
    _, _, types, name = urn.split("::", 3)
    short = [t.removeprefix("pulumi:providers:").split(":")[-1] for t in types.split("$")]
    return f"{'$'.join(short)}/{name}"


def _key(resource: dict[str, Any]) -> str:
    marks = [m for m in ("delete", "pendingReplacement") if resource.get(m)]
    return " ".join([label(resource["urn"]), *marks])


def _id(resource: dict[str, Any]) -> str:
    """The id where it is the same in every run."""
    known = resource["type"].startswith("pyp:")
    return resource.get("id", "") if known or not resource["custom"] else "(some id)"


def _is_default(urn: str) -> bool:
    return "::pulumi:providers:" in urn and "::default" in urn


def _collect(what: str, events: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    operations: dict[str, list[str]] = {}
    for op, urn in events:
        found_by_refresh = op.startswith("refreshed-") and what != "refresh"  # the CLI is silent
        if op not in ("same", "refresh") and not _is_default(urn) and not found_by_refresh:
            operations.setdefault(label(urn), []).append(op)
    return dict(sorted(operations.items()))


def _lab_events(file: Path) -> Iterator[tuple[str, str]]:
    if file.exists():
        for line in file.read_text().splitlines():
            event = json.loads(line)
            yield event["op"], event["urn"]


def _pulumi_events(file: Path) -> Iterator[tuple[str, str]]:
    """The same from the official CLI's event log."""
    refreshing = set()
    for line in file.read_text().splitlines() if file.exists() else ():
        event = json.loads(line)
        if before := event.get("resourcePreEvent"):
            metadata = before["metadata"]
            if metadata["op"] == "refresh":
                refreshing.add(metadata["urn"])
            yield metadata["op"], metadata["urn"]
        elif after := event.get("resOutputsEvent"):
            metadata = after["metadata"]
            if metadata["urn"] in refreshing and metadata["op"] in ("update", "delete"):
                yield f"refreshed-{metadata['op']}", metadata["urn"]
            refreshing.discard(metadata["urn"])


def _encrypted(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            return {"secure": _crypter.encrypt(value["secret"])}
        return {k: _encrypted(v) for k, v in value.items()}
    return [_encrypted(v) for v in value] if isinstance(value, list) else value
