"""Which charts a stack on this machine gets: those of their own repositories, or the lab's.

Only where add-ons that are chosen have charts: else nothing is asked, and nothing is made.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools import processes
from tools.https import unreachable
from tools.messages import ToolError
from tools.stackfile import StackFile

if TYPE_CHECKING:
    from components.addons.charts import Chart

_SOURCES = ("repository", "lab")
_KEY = "k3s:addons"


@dataclass(frozen=True)
class Choice:
    """`source` is repository, lab, own where the stack says it itself, or none without charts."""

    source: str
    why: str


def choose(stack: StackFile, made_with: str | None, k3s: str) -> Choice:
    """CHARTS= decides, else what made the stack, else whether the repositories can be reached.

    `k3s` is where the stack's k3s comes from. Raises ToolError for the lab's charts on another k3s
    than the lab's, which alone has their image.
    """
    choice = _choice(stack, made_with)
    if choice.source == "lab" and k3s != "lab":
        raise ToolError(
            f"the lab's charts ({choice.why}) on a k3s that is not the lab's ({k3s})",
            "their image is in the lab's k3s alone",
            "write CHARTS=repository, or K3S=lab, or charts: {from: mirror, url: …} in addons",
        )
    return choice


def forced(stack: StackFile) -> str | None:
    """What CHARTS= says. Raises ToolError for what there is not, and for the lab's on a cloud."""
    asked = os.environ.get("CHARTS")
    if asked not in (None, "", *_SOURCES):
        raise ToolError(
            f"CHARTS={asked}", "there are no such charts", "write CHARTS=repository or CHARTS=lab"
        )
    if asked == "lab" and not stack.is_local:
        raise ToolError(
            f"CHARTS=lab for a stack on {stack.platform}",
            "the lab's charts are stand-ins, for clusters on this machine",
            "leave CHARTS= out",
        )
    return asked or None


def _choice(stack: StackFile, made_with: str | None) -> Choice:
    source = forced(stack)
    if not stack.is_local:
        return Choice("own", f"as {stack.path.name} says")
    wanted = list(chosen(stack))
    if not wanted:
        return Choice("none", "no add-on has a chart")
    if source:
        return Choice(source, f"CHARTS={source}")
    if "charts" in stack.object("addons"):
        return Choice("own", f"as {stack.path.name} says")
    if made_with in _SOURCES:
        return Choice(made_with, "what the stack was made with")
    return _by_reach(wanted)


def chosen(stack: StackFile) -> Iterator["Chart"]:
    """The charts of the add-ons that the stack file chooses."""
    # The SDKs take their time to load: only commands that run the program wait for them.
    from components.addons.kinds import KINDS

    asked = stack.object("addons")
    for key, kind in KINDS.items():
        if asked.get(key) not in (None, False):
            yield from (chart for chart in kind.charts if chart.wanted(asked[key]))


def overrides(choice: Choice, stack: StackFile) -> dict[str, Any]:
    """Packs the lab's charts if they are chosen; gives the settings that point the stack there."""
    if choice.source not in _SOURCES:
        return {}
    charts: dict[str, str] = {"from": "repository"}
    if choice.source == "lab":
        folder = processes.build_folder("lab.charts.build", "the lab's charts")
        charts = {"from": "folder", "folder": str(folder)}
    return {_KEY: {**stack.object("addons"), "charts": charts}}


def _by_reach(wanted: "list[Chart]") -> Choice:
    for chart in {chart.repository: chart for chart in wanted}.values():
        if reason := unreachable(f"{chart.repository}/index.yaml"):
            return Choice("lab", f"{chart.name}: {reason}")
    return Choice("repository", "the charts' repositories can be reached")
