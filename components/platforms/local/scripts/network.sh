# shellcheck shell=sh
# shellcheck disable=SC2153 # NETWORK, PRIVATE_CIDR, PUBLIC_CIDR are assigned before this text
# Makes and removes the two networks that a stack's nodes stand on, as a Droplet does: a private one, which
# leads nowhere else, and a public one with the default route. Comes after podman.sh and host.sh.
#
#   NETWORK       prefix of the networks' names, and the value of their owner label
#   PRIVATE_CIDR  e.g. 10.97.0.0/24; the first address of each range is the host's
#   PUBLIC_CIDR   e.g. 10.97.1.0/24
#
# create prints one line: what the host was like before (host.sh), which delete restores. delete also
# removes every node of the stack that still stands on the networks: none can be without them.

BEFORE_LABEL=io.k3s-pulumi.before

# number_of ADDRESS: an IPv4 address as a number.
number_of() {
    printf '%s\n' "$1" | awk -F. '{ printf "%.0f\n", (($1 * 256 + $2) * 256 + $3) * 256 + $4 }'
}

# first_address CIDR: the first usable address of a range.
first_address() {
    printf '%s\n' "${1%/*}" | awk -F. '{ print $1 "." $2 "." $3 "." $4 + 1 }'
}

# overlap CIDR CIDR: whether two ranges have an address in common; no prefix means one address.
overlap() {
    shorter=$(printf '%s\n%s\n' "$1" "$2" | awk -F/ '{ print (NF == 2 ? $2 : 32) }' | sort -n | head -n 1)
    size=$((1 << (32 - shorter)))
    [ $(($(number_of "${1%/*}") / size)) = $(($(number_of "${2%/*}") / size)) ]
}

# Every range that is taken on this machine, with what takes it: "10.88.0.0/16 network podman".
taken_ranges() {
    networks=$(rootful_podman network ls --quiet)
    # shellcheck disable=SC2086 # names of Podman networks have no blanks
    rootful_podman network inspect --format '{{.Name}}{{range .Subnets}} {{.Subnet}}{{end}}' $networks |
        awk '{ for (i = 2; i <= NF; i++) print $i, "network", $1 }'
    routes=$(ip -4 route show table all)
    printf '%s\n' "$routes" | awk '
        $1 ~ /^(unicast|local|broadcast|blackhole|unreachable|prohibit|throw)$/ { $1 = ""; sub(/^ /, "") }
        $1 ~ /^[0-9]/ { range = $1; $1 = "route"; print range, $0 }'
}

# check_free CIDR NAME: ends the script when the range is taken.
check_free() {
    ranges=$(taken_ranges)
    printf '%s\n' "$ranges" | while read -r range taker; do
        case $range in *:*) continue ;; esac
        if overlap "$1" "$range"; then
            fail "$1 ($2): overlaps $range ($taker) — addresses of nodes must not be used by anything" \
                "else on this machine — write another private range for this network, one that neither" \
                "'ip -4 route' nor 'podman network inspect' shows"
        fi
    done
}

# check_network NAME CIDR: the network can be made, or is there as it should be; else the script ends.
check_network() {
    if rootful_podman network exists "$1"; then check_existing "$1" "$2"; else check_free "$2" "$1"; fi
}

# make_network NAME CIDR BEFORE [OPTION...]
make_network() {
    name=$1 cidr=$2 before=$3
    shift 3
    if rootful_podman network exists "$name"; then return; fi
    rootful_podman network create --disable-dns --subnet "$cidr" --gateway "$(first_address "$cidr")" \
        --label "$OWNER_LABEL=$NETWORK" --label "$BEFORE_LABEL=$before" "$@" "$name" >/dev/null
}

# check_existing NAME CIDR: a network of that name is this stack's and has the range, or the script ends.
check_existing() {
    [ "$(owner_of network "$1")" = "$NETWORK" ] ||
        fail "$1: a network of this name exists and was not made by this stack — it is not touched —" \
            "name the stack otherwise, or remove it: podman network rm $1"
    existing=$(rootful_podman network inspect --format '{{range .Subnets}}{{.Subnet}}{{end}}' "$1")
    [ "$existing" = "$2" ] ||
        fail "$2 ($1): the network exists with $existing — a range cannot change under its nodes —" \
            "write $existing, or destroy the stack before changing it"
}

# What the host was before the first network of any stack: a stack that is made while another
# runs must not take that one's traces for the host's own.
before_any_stack() {
    for name in $(rootful_podman network ls --quiet --filter "label=$BEFORE_LABEL"); do
        rootful_podman network inspect --format "{{index .Labels \"$BEFORE_LABEL\"}}" "$name"
    done | head -n 1
}

create() {
    check_podman
    check_rights
    command -v ip >/dev/null ||
        fail "ip: not installed — it tells which addresses are taken — run: sudo apt-get install -y iproute2"
    lock_host -x
    if overlap "$PRIVATE_CIDR" "$PUBLIC_CIDR"; then
        fail "$PRIVATE_CIDR and $PUBLIC_CIDR: overlap — nodes have an address on each of the two networks —" \
            "write two ranges without a common address"
    fi
    check_network "$NETWORK-private" "$PRIVATE_CIDR"
    check_network "$NETWORK-public" "$PUBLIC_CIDR"
    before=$(before_any_stack)
    if [ -z "$before" ]; then before=$(describe_host); fi
    make_network "$NETWORK-private" "$PRIVATE_CIDR" "$before" --internal
    make_network "$NETWORK-public" "$PUBLIC_CIDR" "$before"
    admit_bridge "$(bridge_of "$NETWORK-private")" "k3s-pulumi $NETWORK"
    printf '%s\n' "$before"
}

remove_network() {
    if ! rootful_podman network exists "$1"; then return; fi
    if [ "$(owner_of network "$1")" != "$NETWORK" ]; then
        say "$1: left alone, it was not made by this stack"
        return
    fi
    rootful_podman network rm "$1" >/dev/null
}

bridge_of() { rootful_podman network inspect --format '{{.NetworkInterface}}' "$1"; }

# Nodes that are still there were made by a run that was interrupted before it could tell, so that
# nothing else would ever remove them; or both networks get other ranges, and nodes other addresses.
remove_nodes() {
    for name in $(rootful_podman ps --all --filter "label=$OWNER_LABEL=$NETWORK" --format '{{.Names}}'); do
        say "$name: still there, removed with its networks"
        remove_container "$name"
    done
    for name in $(rootful_podman volume ls --quiet --filter "label=$OWNER_LABEL=$NETWORK"); do
        say "$name: still there, removed with its node"
        rootful_podman volume rm "$name" >/dev/null
    done
}

# The host is restored before the networks go: killed in between, they still know what it was like.
delete() {
    check_podman
    lock_host -x
    remove_nodes
    withdraw "k3s-pulumi $NETWORK"
    before=$(before_any_stack)
    before=${before:-${PULUMI_COMMAND_STDOUT-}}
    if nodes_run; then
        say "the host's settings are left as they are: other containers run on this machine"
    elif [ -n "$before" ]; then
        restore_host "$before"
    fi
    remove_network "$NETWORK-private"
    remove_network "$NETWORK-public"
}

# Whether any container on a Podman network runs, whoever made it.
nodes_run() {
    [ -n "$(rootful_podman ps --format '{{.Networks}}')" ]
}

main() {
    case ${1-} in
        create | delete) "$1" ;;
        *) fail "network.sh: ${1-nothing} — not an action — write create or delete" ;;
    esac
}

main "$@" </dev/null
