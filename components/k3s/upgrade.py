"""Settings of how changes go through a cluster's nodes, and what cannot be right about them."""

from collections.abc import Iterator

from pydantic import Field

from components.problems import Problem
from components.settings import Settings


class UpgradeSettings(Settings):
    """Servers are changed one at a time, then agents in batches; see docs/upgrades.md."""

    batch: int = Field(
        default=1, ge=1, description="how many agents are changed at once, such as 2"
    )
    drain: bool = Field(
        default=True, description="false: pods stay where they are while a node is upgraded"
    )
    drain_seconds: int = Field(
        default=300,
        ge=10,
        le=3600,
        description="how long pods may take to leave a node, seconds, 10 to 3600",
    )
    delete_bare_pods: bool = Field(
        default=False,
        description="true: pods that no controller makes anew are deleted by a drain; "
        "false: they stop it",
    )


def problems(settings: UpgradeSettings, agents: int) -> Iterator[Problem]:
    """Mistakes that no single field shows; `agents` is how many the cluster has."""
    if 1 < settings.batch >= agents > 1:
        yield Problem(
            key="upgrade.batch",
            given=settings.batch,
            why=f"all {agents} agents would be away at once",
            write=f"write at most {agents - 1}",
        )
