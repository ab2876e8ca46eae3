"""Settings of platform existing: the inventory of hosts that the stack did not make."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from components.groups import NodeGroup
from components.platforms.existing import inventory, registration
from components.platforms.existing.hosts import Host
from components.platforms.existing.registration import Registration
from components.platforms.platform import Asked
from components.problems import Problem
from components.settings import Settings
from components.topology import Node


class ExistingSettings(Settings):
    """Hosts by the name that groups call them by in `nodes`."""

    hosts: Mapping[str, Host] = Field(
        description="hosts by name: shed: {address: 203.0.113.7, hostKey: …}"
    )
    registration: Registration | None = Field(
        default=None,
        description="what stands before the servers: {host: NAME} or {address: k3s.company.tld}",
    )

    def lone_hosts(self) -> list[str]:
        """Hosts without a private address: none shares a network with any other."""
        return [name for name, host in self.hosts.items() if host.private_address is None]


def problems(settings: ExistingSettings | None, asked: Asked) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    yield from _cluster(asked)
    yield from _groups(settings.hosts if settings else None, asked)
    if settings is None:
        yield Problem(
            key="existing",
            given=None,
            why=f"groups {', '.join(sorted(asked.groups))} are on existing hosts",
            write="write existing: {hosts: {shed: {address: …, hostKey: …}}}",
        )
        return
    yield from inventory.problems(settings.hosts, asked)
    yield from registration.problems(settings.registration, settings.hosts, asked)


def _here(asked: Asked) -> list[Node]:
    return [node for node in asked.nodes if node.platform == "existing"]


def _cluster(asked: Asked) -> Iterator[Problem]:
    """What a cluster may ask of machines that it makes, and not of hosts that exist."""
    if not asked.operator_key_given:
        yield Problem(
            key="operatorKey",
            given=None,
            why="with a key that the stack makes nobody can log in on a host that exists",
            write="run pulumi config set --secret k3s:operatorKey <~/.ssh/KEY, a key without a "
            "passphrase that the hosts let in",
        )
    access, network, k3s = asked.access, asked.network, asked.k3s
    if any(node.role == "server" for node in _here(asked)) and access and not access.api:
        yield Problem(
            key="access.api",
            given=None,
            why="kubectl and Helm speak to the API, and the servers let nobody in who is not named",
            write="write your own addresses, such as [203.0.113.7/32] "
            "(0.0.0.0/0 is the whole internet)",
        )
    alone = len(_here(asked)) == len(asked.nodes)
    if alone and access and access.authorized_keys:
        yield Problem(
            key="access.authorizedKeys",
            given=list(access.authorized_keys),
            why="who may log in on a host that exists is its owner's to say",
            write="leave them out, and add them on the hosts (ssh-copy-id; ssh-import-id gh:USER)",
        )
    if alone and network and (network.nodes == "private" or network.fixed_addresses):
        yield Problem(
            key="network",
            given=network.model_dump(by_alias=True, include={"nodes", "fixed_addresses"}),
            why="hosts that exist have their addresses already",
            write="leave nodes and fixedAddresses out",
        )
    if not asked.spans and k3s and k3s.dual_stack:
        yield Problem(
            key="k3s.clusterCidrIpv6",
            given=k3s.cluster_cidr_ipv6,
            why="dual stack needs both families on every node, and an existing host has one "
            "private address",
            write="leave clusterCidrIpv6 and serviceCidrIpv6 out",
        )


def _groups(hosts: Mapping[str, Host] | None, asked: Asked) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    for name, group in asked.groups.items():
        yield from _foreign(name, group)
        for key in dict.fromkeys(group.nodes or ()):
            if key in owner:
                yield Problem(
                    key=f"groups.{name}.nodes",
                    given=key,
                    why=f"group {owner[key]} has this host, and a host is one node",
                    write="name it in one group",
                )
            owner.setdefault(key, name)
            if hosts is not None and key not in hosts:
                yield Problem(
                    key=f"groups.{name}.nodes",
                    given=key,
                    why="existing.hosts has no host of that name",
                    write=f"write one of {', '.join(sorted(hosts))}, or add the host there",
                )


def _foreign(name: str, group: NodeGroup) -> Iterator[Problem]:
    if group.count is not None:
        yield Problem(
            key=f"groups.{name}.count",
            given=group.count,
            why="hosts that exist are called by their names",
            write="write nodes: [shed, …] with names of existing.hosts",
        )
    for key, given, left_out, there in (
        ("zones", group.zones, (), "write zone there"),
        ("disks", group.disks, (), "write disks there, as paths"),
        ("size", group.size, "small", "a host is as large as it is"),
        ("arch", group.arch, "amd64", "write arch there"),
    ):
        if given != left_out:
            yield Problem(
                key=f"groups.{name}.{key}",
                given=list(given) if isinstance(given, tuple) else given,
                why=f"what a host has stands in existing.hosts: {there}",
                write=f"leave {key} out of the group",
            )
