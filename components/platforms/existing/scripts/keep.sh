# shellcheck shell=sh disable=SC2154
# Comes to a host whose firewall was changed, by a connection of its own: the change holds from now on.
# Comes last.

create() {
    keep_firewall
    say "has let this connection in: its firewall stays"
}

main() {
    case ${1-} in
        create) "$1" ;;
        *) fail "keep.sh: ${1-nothing} — not an action — write create" ;;
    esac
}

main "$@" </dev/null
