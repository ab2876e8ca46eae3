"""Storage classes that add-ons are told to use: what the settings alone can say of them."""

from collections.abc import Iterator

from components.addons.addon import AddonAsked
from components.problems import Problem

_LOCAL_PATH = "local-path"


def class_problems(key: str, storage_class: str | None, asked: AddonAsked) -> Iterator[Problem]:
    """A class that nothing brings; `key` is where it is written, None the default class."""
    if "local-storage" not in asked.disabled:
        return
    if storage_class == _LOCAL_PATH:
        yield Problem(
            key=key,
            given=_LOCAL_PATH,
            why="k3s's local-path is off in these settings",
            write="write another class, or addons.localPath: true",
        )
    if storage_class is None and not asked.storage:
        yield Problem(
            key=key,
            given=None,
            why="k3s's local-path is off, and no add-on brings a storage class",
            write="write the class that there is, or leave storage out",
        )
