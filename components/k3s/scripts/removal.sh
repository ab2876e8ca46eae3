# shellcheck shell=sh disable=SC2154
# Takes nodes out of the cluster, from a server that stays; servers only while etcd keeps its quorum.
# Uses what nodes.sh uses, and not_wanted NODES, the names of those that belong to it.

# Where etcd itself tells of its members, to this machine alone: k3s's own choice.
ETCD_METRICS=http://127.0.0.1:2381
LEAVE_SECONDS=120
# etcd puts the removal of a member off while another one is new or away, and k3s tries again.
GONE_SECONDS=180

# Only what was registered from here is taken out: somebody else's nodes are not the stack's.
registered() {
    ask_api get nodes --output \
        'jsonpath={range .items[?(@.metadata.annotations.k3s-pulumi/managed)]}{.metadata.name}{"\n"}{end}'
}

# not_wanted REGISTERED: those that are none of NODES.
not_wanted() { printf '%s\n' "$1" | sed '/^$/d' | grep -vxF "$(printf '%s\n' "$NODES" | tr ' ' '\n')"; }

# left_without NODE: reads `NAME answers|silent` of each member; prints how many of the others answer,
# how many must, and the names of those that do not.
# Source: https://etcd.io/docs/v3.6/faq/#why-an-odd-number-of-cluster-members.
left_without() {
    awk -v leaving="$1" '
        $1 == leaving { next }
        { all++ }
        $2 == "answers" { answering++; next }
        { silent = silent (silent ? ", " : "") $1 }
        END { print answering + 0, (all ? int(all / 2) + 1 : 1), (silent ? silent : "none") }'
}

# in_order NODES: reads the same; of NODES, one a line, those that are members, the silent ones first.
in_order() {
    awk -v nodes="$1" '
        BEGIN { count = split(nodes, list, "\n"); for (i = 1; i <= count; i++) leaving[list[i]] }
        !($1 in leaving) { next }
        $2 == "silent" { print $1; next }
        { later = later $1 "\n" }
        END { printf "%s", later }'
}

# refusal NODE: reads the same; says why the node has to stay, or nothing.
refusal() {
    left_without "$1" | while read -r answering needed silent; do
        [ "$answering" -lt "$needed" ] || continue
        printf '%s stays: without it %s of the other members of etcd would answer, %s are needed, %s are missing (silent: %s)' \
            "$1" "$answering" "$needed" "$((needed - answering))" "$silent"
    done
}

WAY_OUT='etcd would lose its quorum, and the cluster with it — start k3s on the servers that are silent, or have them taken out or replaced first; then run up again'

# NAME answers|silent of each member.
members() {
    found=$(servers) || return 1
    printf '%s\n' "$found" | while read -r name address _; do
        [ -n "$name" ] || continue
        if server_answers "$address" /readyz/etcd; then echo "$name answers"; else echo "$name silent"; fi
    done
    members_without_a_node "$found"
}

# One that has joined etcd, and whose Node is not there yet or never came, counts as well.
members_without_a_node() {
    known=$(etcd_gauge known_peers)
    [ -n "$known" ] || return 0
    listed=$(printf '%s\n' "$1" | sed '/^$/d' | wc -l)
    while [ "$known" -gt "$listed" ]; do
        listed=$((listed + 1))
        echo "a-member-without-a-node silent"
    done
}

# etcd_gauge NAME: for how many members it is 1; nothing where etcd does not run here.
etcd_gauge() {
    "$K3S" kubectl --kubeconfig /dev/null --server "$ETCD_METRICS" --request-timeout 5s get --raw /metrics 2>/dev/null |
        awk -v name="etcd_network_$1{" 'index($0, "etcd_") == 1 { runs = 1 } index($0, name) == 1 { ones += $NF > 0 } END { if (runs) print ones + 0 }'
}

# Without a quorum there is no API, and nobody who could take a member out.
wait_for_api() {
    wait_closely_for 60 api_answers && return 0
    known=$(etcd_gauge known_peers)
    [ -n "$known" ] || fail "neither this server's API nor $REGISTRATION has answered within 60 s, and no etcd runs here — see k3s's journal on the servers, then run up again"
    answering=$(($(etcd_gauge active_peers) + 1)) needed=$((known / 2 + 1))
    [ "$answering" -lt "$needed" ] || fail "the API has not answered within 60 s, though $answering of $known members of etcd do — see k3s's journal on the servers, then run up again"
    fail "the cluster has no quorum, so no node can join or leave: of $known members of etcd $answering answer, \
$needed are needed, $((needed - answering)) are missing — start k3s on the servers that are silent, then run up again"
}

# keep_quorum_without NODE: waits a while, as a server may just be starting.
keep_quorum_without() {
    why=''
    wait_for 60 can_go_now "$1" || fail "$why; $WAY_OUT"
}

can_go_now() {
    listed=$(members) || return 1
    case " $(printf '%s\n' "$listed" | cut -d ' ' -f 1 | tr '\n' ' ')" in
        *" $1 "*) why=$(printf '%s\n' "$listed" | refusal "$1") ;;
        *) why='' ;;
    esac
    [ -z "$why" ]
}

looked_up() { api_answers && found=$(ask_api get node "$1" --ignore-not-found --output name 2>/dev/null); }

# Who cannot be asked is not known to be gone.
is_there() {
    wait_for 60 looked_up "$1" ||
        fail "the API has not told within 60 s whether $1 is there — see k3s's journal on the servers, then run up again"
    [ -n "$found" ]
}

answers() {
    [ "$(ask_api get node "$1" --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

# A kubelet that does not answer cannot end its pods: the API forgets them with the Node.
move_pods_away() {
    if ! answers "$1"; then
        say "$1 does not answer: its pods are given up, and made anew elsewhere"
        return 0
    fi
    kubectl drain "$1" --ignore-daemonsets --delete-emptydir-data --force --timeout "${LEAVE_SECONDS}s" >&2 ||
        say "$1 was not drained in $LEAVE_SECONDS s; what still runs on it ends with the machine"
}

# take_out NODE: for a server, k3s takes its member out of etcd before the Node goes.
take_out() {
    if ! is_there "$1"; then
        say "$1 is gone already"
        return 0
    fi
    keep_quorum_without "$1"
    move_pods_away "$1"
    keep_quorum_without "$1"
    log=$(kubectl delete node "$1" --timeout "${GONE_SECONDS}s" 2>&1) || ! is_there "$1" || {
        printf '%s\n' "$log" >&2
        fail "Node $1 has not gone within $GONE_SECONDS s — k3s holds it while its member of etcd cannot leave: see k3s's journal on the servers, then run up again"
    }
    say "$1 is gone"
}
