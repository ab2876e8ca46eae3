"""HAProxy as the registration address of a cluster: TCP on port 6443, for the servers that answer.

TLS passes through: whoever stands here sees neither tokens nor what the API says.
Sources: https://docs.k3s.io/datastore/cluster-loadbalancer and
https://docs.haproxy.org/2.6/configuration.html.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.k3s.step import Reached, Step
from components.platforms.machine import Machine

_FOLDER = Path(__file__).parent / "scripts"
# A package to install, perhaps, and a start.
_SECONDS = 1500

# Asked once a second, a server that does not answer is left out after two to five seconds, and
# taken back at its first answer. The API server says 401 to whoever it does not know; while k3s
# starts, it says 503. Without a request of a client's for an hour, a connection is given up:
# Kubernetes' own watches end before that.
_CONFIG = """\
global
    maxconn 4000
    hard-stop-after 10m

defaults
    mode tcp
    option redispatch
    retries 3
    timeout connect 3s
    timeout check 3s
    timeout client 1h
    timeout server 1h

frontend api
    bind *:6443
    default_backend servers

backend servers
    balance roundrobin
    option httpchk GET /readyz
    http-check expect rstatus ^(200|401)$
    default-server check check-ssl verify none inter 1s fall 2 rise 1
    default-server on-marked-down shutdown-sessions
"""


def balancer(
    name: str,
    host: Reached,
    servers: Sequence[Machine],
    *,
    deleted_with: pulumi.Resource | None = None,
    opts: pulumi.ResourceOptions,
) -> remote.Command:
    """Run it on `host`, which must not be a server itself: k3s has the port there.

    Servers are reached at their private addresses. They may change: connections to those that stay
    are kept. `deleted_with` is the host where that goes with the stack.
    """
    known = pulumi.Output.all(**{s.name: s.private.listed() for s in servers})
    step = Step("haproxy", seconds=_SECONDS, parts=("features",), removable=True, folder=_FOLDER)
    return step.on(
        f"{name}-haproxy",
        host,
        subject=name,
        variables={
            "FEATURES": "haproxy",
            "HAPROXY_CONFIG": known.apply(
                lambda found: config({server.name: found[server.name][0] for server in servers})
            ),
        },
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(deleted_with=deleted_with)),
    )


def config(servers: Mapping[str, str]) -> str:
    """haproxy.cfg for servers by name, with the address of each, IPv4 or IPv6."""
    lines = (f"    server {name} {_quoted(address)}:6443\n" for name, address in servers.items())
    return _CONFIG + "".join(lines)


def _quoted(address: str) -> str:
    return f"[{address}]" if ":" in address else address
