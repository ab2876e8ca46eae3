"""The add-ons there are, in one table, each of the same shape."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.addons import metallb
from components.addons.addon import AddonAsked
from components.addons.charts import Chart
from components.network import Profile
from components.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One add-on.

    `after` are the add-ons that it waits for, where they are chosen. `profiles` are the rows of the
    firewall that it needs, `disables` the packaged components of k3s that it takes the place of.
    """

    component: Callable[..., pulumi.ComponentResource]
    problems: Callable[[Any, AddonAsked], Iterable[Problem]]
    charts: tuple[Chart, ...]
    after: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = ()
    disables: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "metallb": Kind(
        component=metallb.Metallb,
        problems=metallb.problems,
        charts=(metallb.CHART,),
        profiles=("metallb",),
        disables=("servicelb",),
    ),
}
