# shellcheck shell=sh
# What running containers on bridge networks changes on the host, written down before and undone after.
#
# The description is one line of words, e.g.
#   ip_forward=0 accept_redirects=1 forwarding=- iptables=filter,nat netavark=0 cgroups=0 netns=none
# with lists separated by commas, - for an empty one, and counts.

CGROUPS=/sys/fs/cgroup
NETNS=/run/netns
IPV4=/proc/sys/net/ipv4

# Words on standard input as one list.
listed() { paste -sd, - | sed 's/^$/-/'; }

# Interfaces that forward IPv4 (all and default among them): writing ip_forward sets every one.
forwarding_interfaces() {
    for setting in "$IPV4"/conf/*/forwarding; do
        if [ "$(cat "$setting")" = 1 ]; then basename "${setting%/forwarding}"; fi
    done
}

# The tables that `iptables` has, e.g. filter and nat; Podman's network stack makes them.
iptables_tables() {
    if command -v iptables-save >/dev/null; then as_root iptables-save | sed -n 's/^\*//p'; fi
}

# The table that Podman's network stack makes where it uses nftables itself: 0 or 1.
netavark_tables() {
    if command -v nft >/dev/null; then as_root nft list tables; fi | grep -c '^table inet netavark$' || true
}

# Parent cgroups that Podman makes where it manages cgroups itself (v1), one a hierarchy.
podman_cgroups() {
    for parent in "$CGROUPS"/*/libpod_parent "$CGROUPS"/libpod_parent; do
        if [ -d "$parent" ]; then echo "$parent"; fi
    done
}

describe_host() {
    forward=$(cat "$IPV4/ip_forward")
    redirects=$(cat "$IPV4/conf/all/accept_redirects")
    interfaces=$(forwarding_interfaces | listed)
    tables=$(iptables_tables | listed)
    netavark=$(netavark_tables)
    cgroups=$(podman_cgroups | grep -c . || true)
    netns=none
    if [ -d "$NETNS" ]; then netns=directory; fi
    if mountpoint -q "$NETNS"; then netns=mount; fi
    printf 'ip_forward=%s accept_redirects=%s forwarding=%s iptables=%s netavark=%s cgroups=%s netns=%s\n' \
        "$forward" "$redirects" "$interfaces" "$tables" "$netavark" "$cgroups" "$netns"
}

# value_of KEY DESCRIPTION: one word's value, empty when it is not there.
value_of() { printf '%s\n' "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# A host where Docker or ufw runs forwards nothing unasked, not even between the ports of one bridge
# (net.bridge.bridge-nf-call-iptables). Podman asks for networks with a way out, not for --internal ones.
#
# admit_bridge BRIDGE COMMENT
admit_bridge() {
    if ! command -v iptables >/dev/null; then return; fi
    withdraw "$2"
    as_root iptables -I FORWARD -i "$1" -o "$1" -m comment --comment "$2" -j ACCEPT
}

# withdraw COMMENT: takes away what admit_bridge added, if it is there.
withdraw() {
    if ! command -v iptables-save >/dev/null; then return; fi
    as_root iptables-save -t filter | awk -v mark="--comment \"$1\" " '
        BEGIN { print "*filter" }
        index($0, mark) { sub(/^-A/, "-D"); print }
        END { print "COMMIT" }' | as_root iptables-restore --noflush
}

# Takes away what Podman's network stack leaves in a table of iptables when its last container has gone: empty
# chains of its own and the jumps to them.
remove_netavark_chains() {
    as_root iptables-save -t "$1" | awk -v table="$1" '
        BEGIN { print "*" table }
        /^:NETAVARK/ { chain = substr($1, 2); flush = flush "-F " chain "\n"; drop = drop "-X " chain "\n" }
        /^-A / && $2 !~ /^NETAVARK/ && / -j NETAVARK/ { sub(/^-A/, "-D"); print }
        END { printf "%s%sCOMMIT\n", flush, drop }' | as_root iptables-restore --noflush
}

# Whether a table of iptables has nothing but its built-in chains, accepting.
table_is_empty() {
    ! as_root iptables-save -t "$1" | grep -q -e '^-A' -e '^:.* -' -e '^:.* DROP'
}

# Takes a table away that Podman's network stack made. Only nftables can: the tables of the older
# iptables-legacy stay until the host restarts, empty and without effect, as do empty built-in
# chains in tables that the host already had.
remove_table() {
    if command -v nft >/dev/null && as_root nft list tables | grep -q "^table ip $1\$"; then
        as_root nft delete table ip "$1"
    fi
}

restore_iptables() {
    for table in $(iptables_tables); do
        remove_netavark_chains "$table"
        case ",$(value_of iptables "$1")," in
            *",$table,"*) continue ;;
        esac
        if table_is_empty "$table"; then remove_table "$table"; fi
    done
    if [ "$(value_of netavark "$1")" = 0 ] && [ "$(netavark_tables)" = 1 ]; then
        as_root nft delete table inet netavark
    fi
}

# Forwarding stays on where somebody else now translates addresses on this host (Docker, libvirt).
restore_forwarding() {
    if [ "$(value_of ip_forward "$1")" != 0 ] || [ "$(cat "$IPV4/ip_forward")" = 0 ]; then return; fi
    if iptables_tables | grep -q '^nat$' && ! table_is_empty nat; then
        say "net.ipv4.ip_forward stays 1: other rules translate addresses on this machine"
        return
    fi
    as_root sysctl -qw net.ipv4.ip_forward=0
    as_root sysctl -qw "net.ipv4.conf.all.accept_redirects=$(value_of accept_redirects "$1")"
    for interface in $(value_of forwarding "$1" | tr ',-' '  '); do
        if [ -e "$IPV4/conf/$interface/forwarding" ]; then
            as_root sysctl -qw "net/ipv4/conf/$interface/forwarding=1"
        fi
    done
}

restore_directories() {
    if [ "$(value_of cgroups "$1")" = 0 ]; then
        podman_cgroups | while read -r parent; do remove_parent_cgroup "$parent"; done
    fi
    restore_netns "$(value_of netns "$1")"
}

# remove_parent_cgroup PARENT: unless it has a container's below it, or processes that stay. A container's
# monitor (conmon) ends a moment after its container.
remove_parent_cgroup() {
    if find "$1" -mindepth 1 -type d ! -name conmon | grep -q .; then return; fi
    if [ -d "$1/conmon" ]; then
        tries=50
        while [ -n "$(cat "$1/conmon/cgroup.procs")" ]; do
            tries=$((tries - 1))
            if [ "$tries" = 0 ]; then return; fi
            sleep 0.1
        done
        as_root rmdir "$1/conmon" </dev/null
    fi
    as_root rmdir "$1" </dev/null
}

# restore_netns BEFORE: the folder of network namespaces, which Podman also mounts.
restore_netns() {
    if ! [ -d "$NETNS" ] || [ -n "$(ls -A "$NETNS")" ]; then return; fi
    if [ "$1" != mount ] && mountpoint -q "$NETNS"; then as_root umount "$NETNS"; fi
    if [ "$1" = none ]; then as_root rmdir "$NETNS"; fi
}

restore_host() {
    restore_iptables "$1"
    restore_forwarding "$1"
    restore_directories "$1"
}
