"""The platforms there are, each behind the same calls."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from components.platforms.aws import settings as aws
from components.platforms.digitalocean import settings as digitalocean
from components.platforms.existing import settings as existing
from components.platforms.local import settings as local
from components.platforms.platform import Asked, Platform
from components.problems import Problem
from components.topology import PlatformName


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a platform checks its settings, and the class that makes it."""

    problems: Callable[[Any, Asked], Iterable[Problem]]
    component: str

    def make(self, platform: PlatformName, *arguments: Any, **named: Any) -> Platform:
        """A cloud's SDK takes half a second to load: only a cluster that uses it waits for it."""
        module = import_module(f"components.platforms.{platform}.platform")
        made: Platform = getattr(module, self.component)(*arguments, **named)
        return made


KINDS: Mapping[PlatformName, Kind] = {
    "local": Kind(problems=local.problems, component="Local"),
    "digitalocean": Kind(problems=digitalocean.problems, component="DigitalOcean"),
    "aws": Kind(problems=aws.problems, component="Aws"),
    "existing": Kind(problems=existing.problems, component="Existing"),
}
