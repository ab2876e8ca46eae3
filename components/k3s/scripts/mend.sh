# shellcheck shell=sh disable=SC2154
# Before changes go through the servers: where k3s is down, it is put in place as it is wanted now.
# Nobody misses this server any more than before, and the others are left alone until it is back.

# k3s that ends again and again says each time, for a moment, that it runs: its kubelet does not.
is_well() { runs && kubelet_answers; }

# It is well, or will not be by itself: a machine that boots is given time.
has_settled() {
    case $(systemctl show --property ActiveState --value "$(unit)") in
        inactive | failed) return 0 ;;
        *) is_well || has_failed ;;
    esac
}

main() {
    take_k3s
    if ! has_joined; then
        say "has not joined yet"
        return 0
    fi
    wait_closely_for 60 has_settled || true
    if is_well; then
        say "k3s runs"
        return 0
    fi
    say "k3s does not run: is mended before the others are changed"
    keeps_the_pod_network
    put_in_place
    run
    wait_for_kubelet
}

main "$@" </dev/null
