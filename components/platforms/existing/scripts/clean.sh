# shellcheck shell=sh disable=SC2154
# Makes a host like a machine that was made anew, when `replace` asks for that. Comes last.
#   GENERATION  changes when it does

update() {
    was=$(generation)
    # A host that is nobody's is new already, and so is one whose generation host.sh has noted.
    if ! is_ours || [ -z "$was" ] || [ "$was" = "$GENERATION" ]; then return 0; fi
    # A step of a run that was killed may still put k3s in place.
    take_turn_alone
    uninstall_k3s
    say "is as before k3s, and can join anew"
}

main() {
    case ${1-} in
        update) "$1" ;;
        *) fail "clean.sh: ${1-nothing} — not an action — write update" ;;
    esac
}

main "$@" </dev/null
