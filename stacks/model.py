"""All settings of a stack: its cluster, and what runs in it."""

from pydantic import Field

from components.cluster_settings import ClusterSettings
from workloads.settings import Workloads


class StackSettings(ClusterSettings):
    """What can stand in a stack file."""

    workloads: Workloads = Field(
        default_factory=Workloads, description="what runs in the cluster: {wordpress: {…}}"
    )
