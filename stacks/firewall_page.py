"""The firewall's page, from its table: `python -m stacks.firewall_page > docs/firewall.md`."""

import sys

from components.firewall import TABLE, Entry

_HEAD = """\
# Firewall

Who may reach which port, why, and over which addresses. Every platform is given the same rows and
writes them down in its own form: security groups on AWS, cloud firewalls and the load balancer's
own on DigitalOcean, an nftables table on existing hosts. Nodes on this machine (`local`) sit behind
bridges that nothing outside reaches, so nothing is opened there. What no row lets in stays out.

- **operator** is `access.ssh` for SSH and `access.api` for the API. Neither has a default: on a
  cloud each must be written, and `0.0.0.0/0`, the whole internet, must be written by hand.
- **servers**, **agents** and **nodes** (both) are the cluster's own machines. Over *private*
  addresses they are machines of the same network, whichever they are; over *public* addresses they
  are exactly the machines that there are, one address each.
- **registration address** is the balancer in front of the servers, **balancers** are those that a
  cloud's controller makes for Services, **internet** is everybody.

A profile is on with the add-on that needs it, or by hand in the stack file; none is on by itself:

    k3s:addons: {prometheus: {}}
    k3s:network: {profiles: [workadventure]}

Further traffic is let in by an entry of its own:

    k3s:network:
      open: [{name: game, protocol: udp, ports: "3478", from: [203.0.113.0/24]}]

With `network.nodes: private`, SSH from the operator ends at the bastion, and the nodes take it from
there alone.

Made from `components/firewall.py`: `python -m stacks.firewall_page > docs/firewall.md`.

| row | traffic | from | to | over | when | why |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, in Markdown."""
    return _HEAD + "".join(map(_line, TABLE))


def _line(entry: Entry) -> str:
    row = entry.row
    traffic = f"{row.protocol} {row.ports}".strip()
    cells = (row.source, row.destination, row.over, entry.condition, row.why)
    return f"| `{row.name}` | {traffic} | {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
