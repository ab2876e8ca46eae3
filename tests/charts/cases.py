"""With which settings each add-on's real chart is rendered: a table, by the add-on's key.

An add-on that is not in it is rendered for dev as it is by default: new ones come along.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.addons.kinds import KINDS


@dataclass(frozen=True, kw_only=True)
class Case:
    """An add-on as a stack has it: `settings` are its own.

    `beside` is what else stands under `addons`, `others` what else the stack says.
    """

    key: str
    title: str = "by default"
    stack: str = "dev"
    settings: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    def overrides(self, charts: Mapping[str, str]) -> dict[str, Any]:
        """The stack's settings, no add-on of its own, charts from `charts`."""
        addons = {"charts": charts, **self.beside, self.key: self.settings}
        return {**self.others, "addons": addons}


_POOLS = {"pools": {"main": {"addresses": ["10.121.0.2-10.121.0.9"]}}}
_PEERS = {"tor": {"address": "10.0.0.1", "asn": 64500}}
_RECEIVER = {"slack_configs": [{"channel": "#ops", "api_url": {"secret": "slack"}}]}
_CASES = (
    Case(key="cni", title="calico", settings={"plugin": "calico"}),
    Case(
        key="cni",
        title="calico, all of it",
        settings={"plugin": "calico", "encryption": "wireguard", "flows": True},
    ),
    Case(
        key="cni",
        title="cilium",
        settings={"plugin": "cilium"},
        beside={"servicelb": False},
    ),
    Case(
        key="cni",
        title="cilium, all of it",
        settings={
            **{"plugin": "cilium", "encryption": "wireguard"},
            **{"flows": True, "kubeProxyReplacement": True},
        },
    ),
    Case(key="cloudController", title="aws", stack="production"),
    Case(key="metallb", title="l2", settings=_POOLS),
    Case(
        key="metallb",
        title="bgp",
        settings={**_POOLS, "mode": "bgp", "bgp": {"asn": 64512, "peers": _PEERS}},
    ),
    Case(key="certManager", title="self-signed"),
    Case(
        key="certManager",
        title="letsEncrypt",
        stack="staging",
        settings={"letsEncrypt": {"email": "ops@company.tld"}},
        others={"network": {"profiles": ["ingress"]}},
    ),
    Case(key="prometheus"),
    Case(
        key="prometheus",
        title="volumes and receivers",
        settings={
            "storage": {"storageClass": "local-path", "prometheus": 50},
            "alertmanager": {"receivers": {"team": _RECEIVER}},
        },
        others={"secrets": {"slack": "https://hooks.slack.example/confidential"}},
    ),
    Case(key="logging"),
    Case(
        key="logging",
        title="a volume",
        settings={
            "storage": {"storageClass": "local-path", "size": 20},
            "excludeNamespaces": ["noisy"],
        },
    ),
    Case(key="longhorn"),
    Case(
        key="longhorn",
        title="on some nodes",
        settings={
            **{"replicas": 2, "groups": ["agent"]},
            **{"dataPath": "/mnt/data", "defaultClass": True},
        },
    ),
    Case(key="rook", title="block", stack="production"),
    Case(
        key="rook",
        title="all stores",
        stack="production",
        settings={"filesystem": True, "objectStore": True, "nfs": True},
    ),
)


def cases() -> Iterator[Case]:
    """Those of the table, and one for every other add-on that has charts."""
    yield from (case for case in _CASES if case.key in KINDS)
    known = {case.key for case in _CASES}
    for key, kind in KINDS.items():
        if kind.charts and key not in known:
            yield Case(key=key)
