# shellcheck shell=sh disable=SC2154
# Joins this node to its cluster, or brings it to a changed configuration.

main() {
    put_in_place_and_run
    say "k3s $ROLE runs"
    "$K3S" --version | sed -n '1s/^k3s version \([^ ]*\).*/\1/p'
}

main "$@" </dev/null
