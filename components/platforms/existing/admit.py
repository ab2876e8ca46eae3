"""What makes a host the cluster's and lets its peers in, and what lets go of it in the end."""

from collections.abc import Mapping, Sequence

import pulumi

from components.k3s.release import STORE
from components.platforms import haproxy, plan
from components.platforms.existing import kube_vip, nftables, step
from components.platforms.existing.endpoint import Front
from components.platforms.existing.kube_vip import KubeVip
from components.platforms.existing.machines import BalancerHost
from components.platforms.existing.nftables import Admission
from components.platforms.machine import Machine
from components.platforms.plan import Balancer, Group, Outside, Peer, Rule, Target
from components.platforms.platform import Shared

HOST = step.files("firewall", "uninstall", "host")
KEEP = step.files("firewall", "keep")
# When the host is let go of, k3s's own uninstaller runs: it ends all pods first.
_SECONDS = 300
_KEEP_SECONDS = 60
# How long a table stays that nobody keeps. Who ran into an error in between has this long for the
# next run; who cannot log in any more, this long to wait.
_TRIAL_SECONDS = 180
_GROUPS: dict[str, Target] = {"server": "servers", "agent": "agents"}


def admit(
    hosts: Sequence[Machine],
    servers: Sequence[Machine],
    machines: Sequence[Machine],
    *,
    shared: Shared,
    front: Front | None,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Each host is made the cluster's, and HAProxy or kube-vip put there where that is asked for.

    `machines` are all of the cluster. `front` is what stands before `servers`, None where those are
    on another platform.
    """
    made: dict[str, pulumi.Resource] = {}
    for host in _all(hosts, front):
        rules = _rules(host, machines, shared, front)
        admitted = [(rule, _sources(rule, host, machines, front)) for rule in rules]
        made[host.name] = _admit(host, shared, admitted, opts)
    if front is not None and front.kube_vip is not None:
        return [*made.values(), *_kube_vip(front.kube_vip, servers, made, shared, opts)]
    if front is None or front.balancer is None:
        return list(made.values())
    # Its host's ports are closed to others before it listens, and open again after it has gone.
    after = pulumi.ResourceOptions(depends_on=[made[front.balancer.name]])
    balancer = haproxy.balancer(
        f"{shared.cluster}-registration",
        front.balancer,
        servers,
        opts=pulumi.ResourceOptions.merge(opts, after),
    )
    return [*made.values(), balancer]


def _kube_vip(
    wanted: KubeVip,
    servers: Sequence[Machine],
    made: Mapping[str, pulumi.Resource],
    shared: Shared,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    return [
        kube_vip.place(
            server,
            wanted,
            shared.cluster,
            generation=_generation(server, shared),
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(depends_on=[made[server.name]])
            ),
        )
        for server in servers
    ]


def _all(hosts: Sequence[Machine], front: Front | None) -> list[Machine | BalancerHost]:
    balancer = front.balancer if front else None
    return [*hosts, *([balancer] if isinstance(balancer, BalancerHost) else [])]


def _rules(
    host: Machine | BalancerHost,
    machines: Sequence[Machine],
    shared: Shared,
    front: Front | None,
) -> list[Rule]:
    targets: set[Target] = {_GROUPS[host.role]} if isinstance(host, Machine) else set()
    if front is not None and host.name in front.hosts:
        targets.add("registration address")
    return [
        rule
        for rule in plan.plan(shared.rows, machines, host.network)
        # The table never closes SSH nor ICMP, so there is nothing to let in.
        if rule.target in targets and rule.row.name != "ssh" and rule.row.protocol != "icmp"
    ]


def _sources(
    rule: Rule,
    host: Machine | BalancerHost,
    machines: Sequence[Machine],
    front: Front | None,
) -> list[pulumi.Input[str]]:
    """Addresses and CIDRs; none for a cloud's balancers, which existing hosts do not have."""
    source = rule.source
    others = [machine for machine in machines if machine is not host]
    neighbours = [machine for machine in others if machine.network == host.network]
    if isinstance(source, Outside):
        return [str(source.cidr)]
    if isinstance(source, Group):
        role = {group: role for role, group in _GROUPS.items()}[source.name]
        return [a for m in neighbours if m.role == role for a in _private(m)]
    if isinstance(source, Peer):
        # A neighbour's packets to a public address may come from its private one.
        inside = [a for m in neighbours if m.name == source.name for a in _private(m)]
        return [*(a for m in others if m.name == source.name for a in m.sources()), *inside]
    if isinstance(source, Balancer) and front is not None:
        return list(front.sources)
    return []


def _private(machine: Machine) -> list[pulumi.Output[str]]:
    return [a for a in (machine.private.ipv4, machine.private.ipv6) if a is not None]


def _admit(
    host: Machine | BalancerHost,
    shared: Shared,
    admitted: Sequence[tuple[Rule, Sequence[pulumi.Input[str]]]],
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Two commands, each with a connection of its own: what the first one has loaded goes again by
    itself unless the second one, which new rules might not let in, comes to keep it."""
    name = f"k3s-{shared.cluster}"
    known = pulumi.Output.all(*(pulumi.Output.all(*sources) for _, sources in admitted))
    text = known.apply(
        lambda found: nftables.table(
            name,
            _merged([rule for rule, _ in admitted], found),
            ssh_port=host.ssh.port,
        )
    )
    firewall: dict[str, pulumi.Input[str]] = {
        "TABLE": name,
        "RULES": text,
        "TRIAL_SECONDS": str(_TRIAL_SECONDS),
    }
    loaded = step.command(
        host.name,
        host.ssh,
        "host",
        HOST,
        {
            "CLUSTER": shared.cluster,
            "STORE": STORE,
            "GENERATION": _generation(host, shared),
            **firewall,
        },
        actions=("create", "delete"),
        seconds=_SECONDS,
        opts=opts,
    )
    return step.command(
        host.name,
        host.ssh,
        "firewall",
        KEEP,
        {"CLUSTER": shared.cluster, **firewall},
        actions=("create",),
        seconds=_KEEP_SECONDS,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[loaded])),
    )


def _generation(host: Machine | BalancerHost, shared: Shared) -> pulumi.Input[str]:
    """What it was last made anew with; known when its old self has gone, which comes first."""
    if not isinstance(host, Machine) or host.name not in shared.generations:
        return ""
    known = pulumi.Output.all(shared.generations[host.name], host.id)
    return known.apply(lambda values: str(values[0]))


def _merged(rules: Sequence[Rule], sources: Sequence[Sequence[str]]) -> list[Admission]:
    """One admission for each row, whatever the number of its rules."""
    by_row: dict[str, list[str]] = {}
    rows = {rule.row.name: rule.row for rule in rules}
    for rule, addresses in zip(rules, sources, strict=True):
        by_row.setdefault(rule.row.name, []).extend(addresses)
    return [
        Admission(
            name=name,
            protocol=rows[name].protocol,
            ports=rows[name].ports,
            sources=tuple(sorted(set(addresses))),
        )
        for name, addresses in by_row.items()
        if addresses
    ]
