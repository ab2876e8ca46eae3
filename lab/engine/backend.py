"""The official CLI's file backend on disk, so that either engine can drive a stack in turn.

    <root>/.pulumi/meta.yaml                                   version: 1
    <root>/.pulumi/stacks/<project>/<stack>.json               the checkpoint
    <root>/.pulumi/stacks/<project>/<stack>.json.bak           the one before the last run
    <root>/.pulumi/stacks/<project>/<stack>.json.lab-journal   see journal.py
    <root>/.pulumi/locks/organization/<project>/<stack>/*.json see lock.py

Source: ``pkg/backend/diy/{store,meta,state}.go``.
"""

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import yaml

from lab.engine.errors import USE_THE_CLI, EngineError, refuse

ORGANIZATION = "organization"
_STACK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_LAYOUT_VERSION = 1
_CHECKPOINT_VERSION, _WITH_FEATURES = 3, 4
# Fields of a resource that a CLI must know to drive the stack; Pulumi calls them features.
_FEATURES = ("replaceWith",)


@dataclass(frozen=True)
class StackFiles:
    """Where one stack is kept."""

    project: str
    stack: str
    root: Path
    """The folder ``.pulumi`` of the backend."""

    @property
    def checkpoint(self) -> Path:
        return self.root / "stacks" / self.project / f"{self.stack}.json"

    @property
    def journal(self) -> Path:
        return self.checkpoint.with_name(f"{self.stack}.json.lab-journal")

    @property
    def locks(self) -> Path:
        return self.root / "locks" / ORGANIZATION / self.project / self.stack


def open_stack(url: str, project: str, stack: str) -> StackFiles:
    """The stack's files in the file backend ``url`` (``file:///...``); makes its meta.yaml."""
    if not _STACK_NAME.fullmatch(stack):
        raise EngineError(
            f"--stack {stack} — a stack's name is letters, digits, '-', '_' and '.' "
            "— give the name alone, e.g. --stack dev"
        )
    parsed = urlparse(url)
    if parsed.scheme != "file":
        raise refuse(
            f"PULUMI_BACKEND_URL: {url!r}", f"write file:///absolute/folder, or {USE_THE_CLI}"
        )
    root = Path(unquote(parsed.netloc + parsed.path)).expanduser().absolute() / ".pulumi"
    _ensure_meta(root / "meta.yaml")
    return StackFiles(project, stack, root)


def _ensure_meta(meta: Path) -> None:
    if not meta.exists():
        write_private(meta, f"version: {_LAYOUT_VERSION}\n".encode())
        return
    version = (yaml.safe_load(meta.read_text(encoding="utf-8")) or {}).get("version")
    if version != _LAYOUT_VERSION:
        raise refuse(
            f"{meta}: version: {version}",
            "run `pulumi state upgrade` with the official CLI, or use another backend folder",
        )


def read_checkpoint(files: StackFiles) -> tuple[dict[str, Any] | None, str]:
    """The latest deployment (None for a new stack) and the SHA-256 of the file's bytes."""
    for ending in (".gz", ".zst"):
        packed = files.checkpoint.with_name(files.checkpoint.name + ending)
        if packed.exists():
            raise refuse(f"{packed} (a compressed checkpoint)", USE_THE_CLI)
    try:
        raw = files.checkpoint.read_bytes()
    except FileNotFoundError:
        return None, fingerprint(b"")
    try:
        document = json.loads(raw)
        version, checkpoint = document["version"], document["checkpoint"]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"{files.checkpoint} — it is not a checkpoint ({error}) — restore its "
            f"copy {files.stack}.json.bak"
        ) from error
    if version not in (_CHECKPOINT_VERSION, _WITH_FEATURES):
        raise refuse(f"{files.checkpoint}: a checkpoint of version {version}", USE_THE_CLI)
    if unknown := sorted({*(document.get("features") or [])} - {*_FEATURES}):
        raise refuse(f"{files.checkpoint}: the features {', '.join(unknown)}", USE_THE_CLI)
    return checkpoint.get("latest"), fingerprint(raw)


def encode_checkpoint(files: StackFiles, deployment: dict[str, Any]) -> bytes:
    """The checkpoint file's content for a deployment."""
    name = f"{ORGANIZATION}/{files.project}/{files.stack}"
    resources = deployment.get("resources") or []
    features = [field for field in _FEATURES if any(r.get(field) for r in resources)]
    document: dict[str, Any] = {"version": _WITH_FEATURES if features else _CHECKPOINT_VERSION}
    if features:
        document["features"] = features
    document["checkpoint"] = {"stack": name, "latest": deployment}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def keep_backup(files: StackFiles) -> None:
    """Copy the checkpoint aside, as the CLI does before it writes."""
    if files.checkpoint.exists():
        backup = files.checkpoint.with_name(files.checkpoint.name + ".bak")
        shutil.copy(files.checkpoint, backup)


def fingerprint(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def write_private(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(file.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
