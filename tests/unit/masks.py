"""Recorded steps on nodes with their addresses taken out, so that two clouds can be compared."""

import re
from collections.abc import Mapping
from typing import Any

from tests.unit import readable
from tests.unit.recorder import Recording, Registration

K3S = ("command:remote:Command", "command:remote:CopyToRemote", "random:")
# Where a node is, as labels; and the addresses that others reach it by, of which a cloud may have
# none that stay.
_OF_A_PLACE = re.compile(
    r"^(- )?topology\.kubernetes\.io/(region|zone)=.*\n?|^node-external-ip: .*\n", re.M
)
_LISTS_OF_ADDRESSES = ("INTERNAL_IPS", "EXTERNAL_IPS", "METADATA")
# How long the balancer in front of the servers takes.
_OF_A_BALANCER = ("REACH_SECONDS",)


def steps(recording: Recording) -> dict[str, dict[str, Any]]:
    """What k3s registers on nodes, by name: inputs without addresses, and the options."""
    known = _addresses(recording)
    own = [r for r in recording.registrations if r.type.startswith(K3S)]
    names = {resource.name for resource in sorted(own, key=lambda r: r.name)}
    return {
        resource.name: _step(resource, known, names)
        for resource in sorted(own, key=lambda r: r.name)
    }


def _step(resource: Registration, known: Mapping[str, str], names: set[str]) -> dict[str, Any]:
    shown = readable.shown(resource)
    return {
        **shown,
        "inputs": {key: _masked(value, known) for key, value in shown["inputs"].items()},
        # What a cloud makes goes by other names; the order of the steps is the same.
        "dependencies": [name for name in shown.get("dependencies", ()) if name in names],
    }


def _masked(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: "«addresses»" if key in _LISTS_OF_ADDRESSES else _masked(item, known)
            for key, item in value.items()
            if key not in _OF_A_BALANCER
        }
    if isinstance(value, list):
        return [_masked(item, known) for item in value]
    if not isinstance(value, str):
        return value
    without = re.sub(r"node-label:\n(?!- )", "", _OF_A_PLACE.sub("", value))
    # A whole address, and never a part of a longer one.
    found = sorted(known, key=len, reverse=True)
    pattern = r"(?<![\w.:])(" + "|".join(map(re.escape, found)) + r")(?!\w|\.\d|:[0-9a-f]*:)"
    return re.sub(pattern, lambda match: known[match[1]], without)


def _addresses(recording: Recording) -> dict[str, str]:
    """Every address and id that a cloud made up, and whose it is."""
    known = {recording.outputs["apiEndpoint"].split("//")[1].rsplit(":", 1)[0]: "«balancer»"}
    for node in recording.outputs["nodes"]:
        name = node["name"]
        known |= dict.fromkeys(node["addresses"]["private"], f"«private of {name}»")
        known |= dict.fromkeys(node["addresses"]["public"], f"«public of {name}»")
        known[node["ssh"].rpartition("@")[2]] = f"«public of {name}»"
        known |= {r.id: f"«id of {name}»" for r in recording.registrations if _is(r, name)}
    return known


def _is(resource: Registration, node: str) -> bool:
    return resource.name == node and resource.type.endswith((":Instance", ":Droplet"))
