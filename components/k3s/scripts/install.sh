# shellcheck shell=sh disable=SC2154
# Joins this node to its cluster. On a node that has joined, an update writes down its labels and
# taints, for the day when it registers anew, and how it stays out once it has left, and nothing else:
# all the rest is change.sh's.

main() {
    if [ "$1" = update ]; then
        write_labels
        stay_out_once_removed
        return 0
    fi
    keeps_the_pod_network
    put_in_place_and_run
    say "k3s $ROLE runs"
    "$K3S" --version | sed -n '1s/^k3s version \([^ ]*\).*/\1/p'
}

main "$@" </dev/null
