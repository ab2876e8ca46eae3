"""Machines that are made anew, each once: what `replace` asks for, and what the state remembers.

A name that stands in `replace` asks once, when it newly stands there. Two random values of each
node keep what was asked, as neither outputs nor anything else outlives an `up` that fails: each is
in the state as soon as it is made.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import pulumi
from pulumi_random import RandomId

from components.problems import Problem
from components.topology import Node

_BYTES = 8


def generations(
    nodes: Sequence[Node], replace: Collection[str], opts: pulumi.ResourceOptions
) -> Mapping[str, pulumi.Output[str]]:
    """What a machine is made anew with, by its node's name: another value when it newly is asked.

    To be given as `replacement_trigger` to what stands for the machine.
    """
    return {node.name: _generation(node.name, node.name in replace, opts) for node in nodes}


def _generation(node: str, asked: bool, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Another value each time the name comes, the same when it stays and when it goes."""
    request = RandomId(
        f"{node}-request",
        byte_length=_BYTES,
        # It changes when the name comes, and when it goes.
        keepers={"replace": "yes" if asked else "no"},
        opts=opts,
    )
    generation = RandomId(
        f"{node}-generation",
        byte_length=_BYTES,
        keepers={"request": request.hex},
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(ignore_changes=None if asked else ["keepers"])
        ),
    )
    return generation.hex


def problems(nodes: Sequence[Node], replace: Sequence[str]) -> Iterator[Problem]:
    """Names that cannot be replaced, or not together."""
    known = {node.name: node for node in nodes}
    for name in dict.fromkeys(replace):
        if name not in known:
            yield _unknown("replace", name, nodes)
    servers = [name for name, node in known.items() if node.role == "server"]
    asked = [name for name in servers if name in replace]
    if asked and len(servers) == 1:
        yield Problem(
            key="replace",
            given=asked[0],
            why="it is the only server, and the cluster's data would go with its machine",
            write="have 3 servers first (count: 3, then an up), replace it, and go back to 1; or "
            "leave it out",
        )
    elif len(asked) > 1:
        yield Problem(
            key="replace",
            given=", ".join(asked),
            why=f"of {len(servers)} servers one at a time may go: more could cost the quorum",
            write="name one, and the next one in its place when that has been replaced by an up",
        )
    elif asked and len(set(replace) & known.keys()) > 1:
        yield Problem(
            key="replace",
            given=", ".join(dict.fromkeys(replace)),
            why="agents leave by way of a server, which has to stay meanwhile",
            write=f"name {asked[0]} alone, and the agents in its place after an up",
        )


def bootstrap_problems(nodes: Sequence[Node], chosen: str | None) -> Iterator[Problem]:
    """A node that no cluster can start from."""
    if chosen is None:
        return
    servers = [node for node in nodes if node.role == "server"]
    if chosen not in {node.name for node in nodes}:
        yield _unknown("bootstrapServer", chosen, servers)
    elif chosen not in {node.name for node in servers}:
        yield Problem(
            key="bootstrapServer",
            given=chosen,
            why="it is an agent, and a cluster starts from a server",
            write=f"write one of {', '.join(node.name for node in servers)}, or leave it out",
        )


def _unknown(key: str, name: str, nodes: Sequence[Node]) -> Problem:
    return Problem(
        key=key,
        given=name,
        why="there is no such node",
        write=f"write one of {', '.join(node.name for node in nodes)}",
    )
