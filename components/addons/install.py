"""The chosen add-ons, each when those that it needs are there; independent ones side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pulumi

from components.addons.addon import Site
from components.addons.kinds import KINDS
from components.addons.settings import Addons
from components.k3s.cluster import K3s
from components.platforms.machine import Machine
from components.settings import Settings

if TYPE_CHECKING:
    from pulumi_kubernetes import Provider


def install(
    name: str,
    addons: Addons,
    k3s: K3s,
    provider: "Callable[[], Provider]",
    machines: Sequence[Machine],
    secrets: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> Mapping[str, pulumi.ComponentResource]:
    """Install them into a cluster whose nodes are there; gives their components by key.

    `provider` of the cluster's API is made where there is something to install.
    """
    chosen = addons.chosen()
    if not chosen:
        return {}
    site = Site(
        cluster=name,
        k3s=k3s,
        k3s_settings=k3s.settings,
        provider=provider(),
        charts=addons.charts,
        server=next(machine for machine in machines if machine.role == "server"),
        machines=machines,
        secrets=secrets,
        chosen=frozenset(chosen),
    )
    made: dict[str, pulumi.ComponentResource] = {}
    for key, before in _order(chosen).items():
        settings, after = chosen[key], [made[other] for other in before]
        made[key] = KINDS[key].component(
            f"{name}-{key}", settings=settings, site=replace(site, after=after), opts=opts
        )
    return made


def _order(chosen: Mapping[str, Settings]) -> dict[str, list[str]]:
    """The chosen add-ons, each after those that it waits for, which are its value."""
    before = {
        key: [other for other in KINDS[key].waits_for(settings) if other in chosen]
        for key, settings in chosen.items()
    }
    return {key: before[key] for key in TopologicalSorter(before).static_order()}
