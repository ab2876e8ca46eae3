"""A webhook that comes up after its release is deployed: what it will be asked about waits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml

from components.addons.addon import Site
from components.k3s.step import Step

SCRIPTS = Path(__file__).parent / "scripts"
# The webhook's certificate and endpoints come up after the release is deployed.
_SECONDS = 120


def answers(
    name: str,
    objects: Sequence[Mapping[str, Any]],
    *,
    site: Site,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> pulumi.Resource:
    """There once the API takes `objects`; an error other than a webhook's silence fails at once."""
    return Step("webhook", seconds=_SECONDS, folder=SCRIPTS).on(
        f"{site.cluster}-{name}-webhook",
        site.server,
        subject=site.server.name,
        variables={"OBJECTS": yaml.safe_dump_all(objects, sort_keys=False)},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*after], deleted_with=site.k3s),
    )
