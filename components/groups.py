"""Node groups: which nodes a cluster has, by name."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from components.problems import Problem
from components.settings import Settings

Role = Literal["server", "agent"]


def _option(given: object) -> object:
    if isinstance(given, list | tuple) and all(isinstance(part, Value) for part in given):
        return tuple(given)
    if isinstance(given, Value):
        return given
    raise ValueError("neither a text, a number, true or false, nor a list of these")


# What one of k3s's flags may be set to; a flag that is given several times has a list.
Value = bool | int | float | str
Option = Annotated[Value | tuple[Value, ...], PlainValidator(_option)]

# A node's name is its host name: RFC 1123, at most 63 characters.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_TAINT = re.compile(r"[^=:\s]+(=[^:\s]*)?:(NoSchedule|PreferNoSchedule|NoExecute)")
# What the kubelet may set on its own Node under kubernetes.io (NodeRestriction admission).
_KUBELET_MAY_SET = ("node.kubernetes.io/", "kubelet.kubernetes.io/")


class NodeGroup(Settings):
    """Nodes that are alike. Exactly one of `count` and `nodes` says which nodes there are."""

    role: Role = Field(description="server or agent")
    count: int | None = Field(
        default=None, ge=1, le=250, description="how many nodes, 1 to 250; they are named 1, 2, …"
    )
    nodes: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description='the nodes by name, such as ["1", "3"], to take one out of the middle',
    )
    labels: Mapping[str, str] = Field(
        default_factory=dict, description="labels of the nodes, such as {disk: fast}"
    )
    taints: tuple[str, ...] = Field(
        default=(), description='taints of the nodes, such as ["dedicated=db:NoSchedule"]'
    )
    kubelet_args: tuple[str, ...] = Field(
        default=(), description='arguments of their kubelet, such as ["max-pods=200"]'
    )
    options: Mapping[str, Option] = Field(
        default_factory=dict,
        description="further flags of k3s by their names in its config.yaml, such as {debug: true}",
    )
    platform: Literal["local", "digitalocean", "aws", "existing"] | None = Field(
        default=None, description="where these nodes are, when not where the others are"
    )
    size: str = Field(
        default="small",
        description="small (2 CPUs, 4 GiB), medium (4, 8) or large (8, 16), or the cloud's own",
    )
    arch: Literal["amd64", "arm64"] = Field(
        default="amd64", description="amd64 or arm64; on this machine it is the machine's own"
    )
    zones: tuple[str, ...] = Field(
        default=(),
        description="zones that the nodes are spread over, by their letter such as [a, b] (aws)",
    )
    disks: tuple[int, ...] = Field(
        default=(), description="raw disks of each node, GiB, such as [100, 100]"
    )

    def node_keys(self) -> list[str]:
        """The nodes' own parts of their names: given, or counted from 1."""
        return list(self.nodes or [str(n) for n in range(1, (self.count or 0) + 1)])

    def node_names(self, cluster: str, group: str) -> list[str]:
        """Names of the nodes, `<cluster>-<group>-<node>`: never a place in a list."""
        return [f"{cluster}-{group}-{key}" for key in self.node_keys()]


def all_node_names(cluster: str, groups: Mapping[str, NodeGroup]) -> list[str]:
    """Names of all nodes of a cluster, group by group."""
    return [name for key, group in groups.items() for name in group.node_names(cluster, key)]


def problems(cluster: str, groups: Mapping[str, NodeGroup]) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    for key, group in groups.items():
        yield from _membership(key, group)
        yield from _names(cluster, key, group)
        yield from _labels(key, group)
        yield from _taints(key, group)
        yield from _disks(key, group)
    yield from _doubled_names(cluster, groups)
    yield from _servers(groups)


def _membership(key: str, group: NodeGroup) -> Iterator[Problem]:
    if group.count is None and group.nodes is None:
        yield Problem(
            key=f"groups.{key}",
            given="neither count nor nodes",
            why="it does not say which nodes there are",
            write="write count: 1, or nodes: [...] with their names",
        )
    if group.count is not None and group.nodes is not None:
        yield Problem(
            key=f"groups.{key}",
            given=f"count {group.count} and nodes {list(group.nodes)}",
            why="the two can disagree",
            write="keep one of them",
        )
    if group.nodes is not None and len(set(group.nodes)) != len(group.nodes):
        yield Problem(
            key=f"groups.{key}.nodes",
            given=list(group.nodes),
            why="a name stands there twice",
            write="name each node once",
        )


def _names(cluster: str, key: str, group: NodeGroup) -> Iterator[Problem]:
    for name in group.node_names(cluster, key):
        if len(name) > 63 or not _LABEL.fullmatch(name):
            yield Problem(
                key=f"groups.{key}",
                given=name,
                why="a node's name is its host name",
                write="use a-z, 0-9 and - in stack, group and node names, 63 characters in all",
            )
            return


def _doubled_names(cluster: str, groups: Mapping[str, NodeGroup]) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    for key, group in groups.items():
        for name in dict.fromkeys(group.node_names(cluster, key)):
            if name in owner:
                yield Problem(
                    key=f"groups.{key}",
                    given=name,
                    why=f"group {owner[name]} has a node of that name",
                    write="rename one of the groups",
                )
            owner[name] = key


def _labels(key: str, group: NodeGroup) -> Iterator[Problem]:
    for label, value in group.labels.items():
        where = f"groups.{key}.labels"
        if not _LABEL_KEY.fullmatch(label):
            yield Problem(
                key=where,
                given=label,
                why="not a label's name",
                write="write NAME or DNS.PREFIX/NAME, the name at most 63 of A-Z a-z 0-9 - _ .",
            )
        elif _reserved(label):
            yield Problem(
                key=where,
                given=label,
                why="the kubelet may not set labels under kubernetes.io or k8s.io",
                write="use a prefix of your own, or node.kubernetes.io/",
            )
        if not _LABEL_VALUE.fullmatch(value):
            yield Problem(
                key=f"{where}.{label}",
                given=value,
                why="not a label's value",
                write="write at most 63 of A-Z a-z 0-9 - _ . with a letter or digit at either end",
            )


def _reserved(label: str) -> bool:
    prefix = label.rpartition("/")[0]
    official = prefix.endswith(("kubernetes.io", "k8s.io"))
    return official and not label.startswith(_KUBELET_MAY_SET)


def _taints(key: str, group: NodeGroup) -> Iterator[Problem]:
    for taint in group.taints:
        if not _TAINT.fullmatch(taint):
            yield Problem(
                key=f"groups.{key}.taints",
                given=taint,
                why="not a taint",
                write="write KEY=VALUE:NoSchedule (or PreferNoSchedule, or NoExecute)",
            )


def _disks(key: str, group: NodeGroup) -> Iterator[Problem]:
    for gib in group.disks:
        if gib < 1:
            yield Problem(
                key=f"groups.{key}.disks",
                given=f"{gib} GiB",
                why="no cloud makes a disk of less than 1 GiB",
                write="write whole GiB, such as [100], or leave disks out",
            )


def _servers(groups: Mapping[str, NodeGroup]) -> Iterator[Problem]:
    # By name: one that stands there twice is told of as that, and is one server.
    servers = len({n for k, g in groups.items() if g.role == "server" for n in g.node_names("", k)})
    if servers == 0:
        yield Problem(
            key="groups",
            given="no group with role: server",
            why="a cluster starts from a server",
            write="add server: {role: server, count: 1}",
        )
    elif servers % 2 == 0:
        yield Problem(
            key="groups",
            given=f"{servers} servers",
            why="etcd keeps its quorum no better with an even number than with one fewer",
            write="write 1, 3 or 5 servers",
        )
