"""Looks for secrets where they must not be."""

import os
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

_SEARCH = Path(__file__).with_name("readable_by_all.sh")


def canaries(secrets: Mapping[str, str]) -> dict[str, str]:
    """What to look for: of a text of several lines the last of its longest.

    The first line of an SSH key's body is the same in all of them.
    """
    return {name: max(reversed(text.splitlines()), key=len) for name, text in secrets.items()}


def in_texts(secrets: Mapping[str, str], texts: Mapping[str, str]) -> list[str]:
    """Places whose text holds a secret, as `place: name of the secret`."""
    return [
        f"{place}: {name}"
        for place, text in texts.items()
        for name, secret in secrets.items()
        if secret in text
    ]


def in_files(secrets: Mapping[str, str], files: Iterable[Path]) -> list[str]:
    """Files that hold a secret, whoever may read them."""
    return in_texts(secrets, {str(f): f.read_bytes().decode(errors="replace") for f in files})


def readable_by_all(secrets: Mapping[str, str], folders: Iterable[Path]) -> list[str]:
    """Files under `folders` on this machine that hold a secret and that anybody can read."""
    return _search(["sh"], secrets, [str(folder) for folder in folders if folder.exists()])


def readable_by_all_on_node(secrets: Mapping[str, str], container: str) -> list[str]:
    """The same on a node, over its whole file system."""
    shell = ["podman", "exec", "--interactive", container, "sh"]
    return [f"{container}: {file}" for file in _search(shell, secrets, ["/"])]


def _search(shell: list[str], secrets: Mapping[str, str], folders: list[str]) -> list[str]:
    run = subprocess.run(
        [*shell, "-c", _SEARCH.read_text(), "sh", *folders],
        input="".join(f"{secret}\n" for secret in secrets.values()),
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    return run.stdout.splitlines()


class ArgumentWatch:
    """Reads all processes' arguments, on this machine and in its containers, again and again."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.rounds = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ArgumentWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.rounds += 1
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    self._read(Path(entry.path) / "cmdline")

    def _read(self, path: Path) -> None:
        try:
            arguments = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return  # the process has ended in between
        self.seen.add(arguments)
