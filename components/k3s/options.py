"""Options of nodes: arguments of their kubelet and k3s's own flags, as the settings give them.

What stands in a group goes before what stands in `k3s`, name by name; what the program itself
says is no option.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from components.groups import NodeGroup, Option
from components.k3s import flags
from components.k3s.settings import K3sSettings
from components.problems import Problem

# As config.yaml has them, without dashes before: https://docs.k3s.io/installation/configuration.
_FLAG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Of the kubelet's, k3s reads a last + or - as "add to k3s's own value".
_ARGUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*\+?(=.*)?")
# So like a known flag that it is a slip, and none of a newer release.
_ALIKE = 0.9
_KNOWN = sorted(flags.EVERYWHERE | flags.SERVERS)


def kubelet_args(settings: K3sSettings, group: NodeGroup) -> list[str]:
    """Arguments of the kubelet of a group's nodes, NAME=VALUE."""
    return joined(settings.kubelet_args, group.kubelet_args)


def options(settings: K3sSettings, group: NodeGroup) -> Mapping[str, Option]:
    """k3s's flags of a group's nodes, by name: in whatever order written, the same."""
    of_role = settings.server_options if group.role == "server" else {}
    return dict(sorted({**settings.node_options, **of_role, **group.options}.items()))


def joined(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Arguments of both, NAME=VALUE; one that both name is the second's alone.

    k3s hands on each of several with one name: https://github.com/k3s-io/k3s/blob/master/pkg/util/args.go.
    """
    named = {_name(argument) for argument in after}
    return [*(argument for argument in before if _name(argument) not in named), *after]


def problems(settings: K3sSettings | None, groups: Mapping[str, NodeGroup]) -> Iterator[Problem]:
    """Mistakes in options, of the whole cluster and of its groups."""
    if settings is not None:
        yield from _arguments("k3s.kubeletArgs", settings.kubelet_args)
        yield from _options("k3s.nodeOptions", settings.node_options, "agent")
        yield from _options("k3s.serverOptions", settings.server_options, "server")
        yield from _policies(settings)
    for name, group in groups.items():
        yield from _arguments(f"groups.{name}.kubeletArgs", group.kubelet_args)
        yield from _options(f"groups.{name}.options", group.options, group.role)
        if group.role == "server":
            yield from _different_servers(f"groups.{name}.options", group.options)


def _name(argument: str) -> str:
    return argument.partition("=")[0].rstrip("+-")


def _arguments(key: str, given: Sequence[str]) -> Iterator[Problem]:
    for argument in given:
        if not _ARGUMENT.fullmatch(argument):
            yield Problem(
                key=key,
                given=argument,
                why="not an argument of the kubelet as k3s takes it",
                write="write NAME=VALUE without dashes before, such as max-pods=200",
            )
        elif own := flags.KUBELETS.get(_name(argument)):
            yield Problem(key=key, given=argument, why=own.why, write=own.write)


def _options(key: str, given: Mapping[str, Option], role: str) -> Iterator[Problem]:
    for flag, value in given.items():
        where = f"{key}.{flag}"
        if not _FLAG.fullmatch(flag):
            yield Problem(
                key=where,
                given=value,
                why="not the name of a flag as k3s's config.yaml has it",
                write=f"write {_dashed(flag) or 'a name'}: docs.k3s.io/cli/server, /cli/agent",
            )
        elif own := flags.ELSEWHERE.get(flag):
            yield Problem(key=where, given=value, why=own.why, write=own.write)
        elif role == "agent" and flag in flags.SERVERS:
            yield Problem(
                key=where,
                given=value,
                why="servers alone take it, and an agent that is given it does not start",
                write="write it in k3s.serverOptions, or in a group of servers",
            )
        elif flag not in _KNOWN:
            yield from _slip(where, flag, value)


def _dashed(flag: str) -> str:
    """kubeApiserverArg and --kube_apiserver_arg as kube-apiserver-arg."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", flag).replace("_", "-").lower().strip("-")
    return words if _FLAG.fullmatch(words) else ""


def _slip(key: str, flag: str, value: Option) -> Iterator[Problem]:
    for close in difflib.get_close_matches(flag, _KNOWN, n=1, cutoff=_ALIKE):
        yield Problem(key=key, given=value, why="k3s has no such flag", write=f"write {close}")


def _different_servers(key: str, given: Mapping[str, Option]) -> Iterator[Problem]:
    for flag in sorted(flags.CRITICAL & set(given)):
        yield Problem(
            key=f"{key}.{flag}",
            given=given[flag],
            why="all servers must have the same, or further ones cannot join",
            write="write it in k3s.serverOptions",
        )


def _policies(settings: K3sSettings) -> Iterator[Problem]:
    flag = "disable-network-policy"
    if settings.flannel_backend == "none" and flag in settings.server_options:
        yield Problem(
            key=f"k3s.serverOptions.{flag}",
            given=settings.server_options[flag],
            why="beside a network plugin of another's k3s's own policies are off already",
            write="leave it out",
        )
