# shellcheck shell=sh disable=SC2154
# Makes a host that exists the cluster's, and lets go of it. Comes last.

create() {
    claim
    note_generation
    try_firewall
    say "is the cluster's, its k3s ports are closed to others"
}

# k3s first: its ports stay closed as long as it runs.
delete() {
    if ! is_ours; then
        say "left alone: it is '$(claimed)', not '$CLUSTER $NODE'"
        return 0
    fi
    # A step of a run that was killed may still put k3s in place.
    take_turn_alone
    uninstall_k3s
    unload_firewall
    release
    # With the locks of turn.sh, this script's own among them: nothing else is to run here.
    rm -rf "$TURNS"
    say "is its owner's again"
}

main() {
    case ${1-} in
        create | delete) "$1" ;;
        *) fail "host.sh: ${1-nothing} — not an action — write create or delete" ;;
    esac
}

main "$@" </dev/null
