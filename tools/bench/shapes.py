"""What is measured: clusters of some shapes, with some add-ons."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STACK = "k3sbench"
_NETWORKS = {"privateCidr": "10.142.0.0/16", "publicCidr": "10.143.0.0/16"}
# Of the public network's first ten addresses none is ever a node's.
_POOL = "10.143.0.2-10.143.0.9"


@dataclass(frozen=True)
class Shape:
    """How many nodes of each role."""

    servers: int
    agents: int

    @property
    def groups(self) -> dict[str, dict[str, object]]:
        """The node groups, as a stack file has them."""
        counts = {"server": self.servers, "agent": self.agents}
        return {role: {"role": role, "count": count} for role, count in counts.items() if count}

    @property
    def last(self) -> str:
        """The name of a node: an agent's where there is one."""
        role, count = ("agent", self.agents) if self.agents else ("server", self.servers)
        return f"{STACK}-{role}-{count}"


# By their names: servers + agents.
SHAPES: Mapping[str, Shape] = {
    f"{servers}+{agents}": Shape(servers, agents) for servers, agents in ((1, 2), (3, 0), (3, 3))
}


@dataclass(frozen=True)
class Addon:
    """An add-on's settings in a cluster of some shape.

    `lab_only`: not with the real charts, which would do more than take time.
    """

    settings: Callable[[Shape], Mapping[str, Any]]
    lab_only: bool = False


def _rook(shape: Shape) -> Mapping[str, Any]:
    """What stands in for Ceph opens no device; the real one would take them for its own."""
    devices = {shape.last: ["/dev/loop8", "/dev/loop9"]}
    return {"mons": 1, "replicas": 1, "destroyData": True, "loopDevices": devices}


ADDONS: Mapping[str, Addon] = {
    "metallb": Addon(lambda _: {"pools": {"main": {"addresses": [_POOL]}}}),
    "certManager": Addon(lambda _: {}),
    "prometheus": Addon(lambda _: {"dashboards": {}}),
    "logging": Addon(lambda _: {}),
    "rook": Addon(_rook, lab_only=True),
}


def settings(shape: Shape, addons: Iterable[str]) -> dict[str, object]:
    """A stack's settings, by their keys."""
    return {
        "platform": "local",
        "groups": shape.groups,
        "k3s": {"version": "v1.35.6+k3s1", "disable": ["traefik", "servicelb", "metrics-server"]},
        "local": _NETWORKS,
        "addons": {key: dict(ADDONS[key].settings(shape)) for key in addons},
    }
