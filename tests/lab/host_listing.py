"""What a host is like, so far as a cluster could change it: a listing to compare before and after.

A line is a kind and a fact. Left out is what changes on a host by itself (logs, caches, what runs
for a moment), and what the page of existing hosts names as staying.
"""

import re
from collections.abc import Callable

# Of everything that has a name: its type, mode, owner and where a link leads.
_LOOK = r"""
kind() { sed "s|^|$1 |"; }
find / -xdev -regextype posix-extended -regex \
    '/(proc|sys|dev|run|tmp|var/(tmp|log|cache|lib/(apt|dpkg|systemd|containerd)))' -prune \
    -o -printf '%y %m %u:%g %p %l\n' | kind file
find /run -mindepth 1 -regextype posix-extended -regex \
    '/run/(systemd|udev|user|lock|log|sudo|motd.dynamic|utmp|initctl|dbus)' -prune \
    -o -printf '%y %m %u:%g %p %l\n' | kind file
find /etc /usr/local /root -xdev -type f -exec sha256sum {} + | kind content
systemctl list-unit-files --no-legend --plain | tr -s ' ' | kind unit
units() { systemctl list-units --no-legend --plain "$@" | cut -d ' ' -f 1 | kind unit; }
units --all --type mount,socket,timer,path
units --type service --state running
units --state failed
cut -d ' ' -f 4- /proc/self/mountinfo | sed -E 's/ (shared|master):[0-9]+//g' | kind mount
ip -brief link | cut -d ' ' -f 1 | kind interface
ip -oneline address | awk '{ print $2, $3, $4 }' | kind interface
# Those of the local table follow from the addresses, IPv6's after a moment.
{ ip -4 route show table all; ip -6 route show table all; } | grep -v ' table local ' | kind rule
{ ip -4 rule; ip -6 rule; } | kind rule
nft --stateless list tables | while read -r table family name; do
    nft --stateless list table "$family" "$name" | kind "rule $family $name"
done
for legacy in iptables-legacy-save ip6tables-legacy-save; do
    if command -v $legacy >/dev/null; then $legacy 2>/dev/null | grep '^-A' | kind rule; fi
done
ss --no-header --listening --tcp --udp --numeric | awk '{ print $1, $5 }' | kind listening
dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\n' | kind package
"""
# Empty tables of iptables', as they are left until the host starts anew.
_EMPTY_TABLE = re.compile(
    r"rule ip6? (filter|nat|mangle|raw|security) "
    r"(table .*|\s*(chain (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) \{"
    r"|type .* hook .* policy accept;|\})|)"
)


def look(run: Callable[[str], str]) -> set[str]:
    """The listing of a host on which `run` runs a shell's script."""
    return {line.strip() for line in run(_LOOK).splitlines() if not _EMPTY_TABLE.fullmatch(line)}
