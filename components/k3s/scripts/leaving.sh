# shellcheck shell=sh disable=SC2154
# Runs on a server, before the machine of the node NODE is made anew: takes it out of the cluster.
# Uses ROLE (server or agent), and what nodes.sh and removal.sh use.

# Agents join when all servers have: before that, none is there to leave.
main() {
    if [ "$ROLE" = agent ] && ! [ -x "$K3S" ]; then
        say "k3s has not been put in place here, so $NODE has not joined"
        return 0
    fi
    wait_for_api
    take_out "$NODE"
}

main "$@" </dev/null
