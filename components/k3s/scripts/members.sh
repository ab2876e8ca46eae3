# shellcheck shell=sh disable=SC2154
# Runs on a server that stays: what has registered, and is none of the cluster's nodes any more,
# leaves; agents first, then servers, those that do not answer before the others.
# Uses NODES, the names of all nodes, and what nodes.sh and removal.sh use.

# On a Node that was closed to pods here, as it leaves: one that somebody else has cordoned stays so.
LEAVING=k3s-pulumi/leaving

# The whole way is looked at before the first step of it.
check_the_way() {
    left=$1
    for server in $2; do
        why=$(printf '%s\n' "$left" | refusal "$server")
        [ -z "$why" ] || return 1
        left=$(printf '%s\n' "$left" | awk -v gone="$server" '$1 != gone')
    done
}

way_is_open() {
    all=$(members) || return 1
    servers_leaving=$(printf '%s\n' "$all" | in_order "$1")
    check_the_way "$all" "$servers_leaving"
}

close() {
    [ "$(ask_api get node "$1" --output 'jsonpath={.spec.unschedulable}')" != true ] || return 0
    ask_api annotate node "$1" --overwrite "$LEAVING=yes" >/dev/null
    ask_api cordon "$1" >/dev/null
}

# A removal was begun, and is not wanted any more.
open_again() {
    ask_api get nodes --output \
        'jsonpath={range .items[?(@.metadata.annotations.k3s-pulumi/leaving)]}{.metadata.name}{"\n"}{end}' |
        while read -r node; do
            case " $NODES " in *" $node "*) ;; *) continue ;; esac
            ask_api uncordon "$node" >/dev/null
            ask_api annotate node "$node" "$LEAVING-" >/dev/null
            say "$node stays, and takes pods again"
        done
}

take_all_out() {
    why=''
    wait_for 60 way_is_open "$1" || fail "$why; $WAY_OUT"
    agents_leaving=$(printf '%s\n' "$1" | grep -vxF "$servers_leaving" || true)
    say "leave: $(printf '%s\n' "$agents_leaving" "$servers_leaving" | paste -sd ' ' -)"
    # Pods that have to go do not go to one that leaves next.
    for node in $agents_leaving $servers_leaving; do close "$node"; done
    for node in $agents_leaving $servers_leaving; do take_out "$node"; done
}

# Somebody may have deleted it, or a removal was taken back that had come that far.
check_who_is_missing() {
    missing=''
    for node in $NODES; do
        is_there "$node" || missing="$missing $node"
    done
    [ -z "$missing" ] || fail "not in the cluster:$missing — their machines stand, and are none of its nodes — have them made anew: replace: [NAME]"
}

main() {
    wait_for_api
    found=$(registered)
    leaving=$(not_wanted "$found" || true)
    [ -z "$leaving" ] || take_all_out "$leaving"
    open_again
    check_who_is_missing
    say "nodes: $NODES"
}

main "$@" </dev/null
