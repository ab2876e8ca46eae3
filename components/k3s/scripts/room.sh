# shellcheck shell=sh disable=SC2154
# Runs on a server that stays, before others join: servers that are none of the cluster's any more and
# do not answer leave first, as etcd takes nobody in while a member is away. Those that answer stay
# until the others have joined.
# Uses NODES, the names of all servers, and what nodes.sh and removal.sh use.

silent_members() {
    listed=$(members) || fail "the API has not told who is a member of etcd — see k3s's journal on the servers, then run up again"
    printf '%s\n' "$listed" | sed -n '/ silent$/p' | in_order "$1"
}

main() {
    if ! knows_a_cluster; then
        say "has no cluster yet"
        return 0
    fi
    wait_for_api
    found=$(registered)
    leaving=$(not_wanted "$found" || true)
    [ -z "$leaving" ] || leaving=$(silent_members "$leaving")
    for node in $leaving; do take_out "$node"; done
    say "servers: $NODES"
}

main "$@" </dev/null
