# shellcheck shell=sh disable=SC2154
# After a node was changed: waits until it is Ready with the wanted version, and opens it to pods if
# drain.sh has closed it. Runs on a server: on the node itself, if it is one.
# Uses ROLE (the node's), WANTED (a version), and what is_ready of nodes.sh uses. CHANGE is the
# change's number.

is_back() { api_answers && [ "$(kubelet_version)" = "$WANTED" ] && is_ready; }

main() {
    if ! knows_a_cluster; then
        say "has no cluster yet"
        return 0
    fi
    wait_closely_for 120 api_answers ||
        fail "neither this server's API nor $REGISTRATION has answered within 120 s — see journalctl --unit k3s on the servers"
    found=$(kubelet_version)
    if [ -z "$found" ]; then
        say "has not registered yet"
        return 0
    fi
    wait_closely_for 300 is_back || {
        show_conditions
        fail "is not Ready with $WANTED after 300 s, but $(ready_condition status) with $(kubelet_version) — see its conditions above, and the journal of k3s on it; then run up again"
    }
    reopen
    say "is Ready with $WANTED"
}

main "$@" </dev/null
