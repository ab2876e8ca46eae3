# shellcheck shell=sh disable=SC2154
# Brings a node that has joined to another version or configuration; k3s starts anew if it has to.
# Uses what service.sh and nodes.sh use. CHANGE is the change's number.

# Nobody else is away, or etcd keeps its quorum without this server all the same.
can_be_spared() {
    all=1 silent='' away=0
    api_answers || return 1
    listed=$(servers) || return 1
    while read -r name address _; do
        case $name in '' | "$NODE") continue ;; esac
        all=$((all + 1))
        if ! server_answers "$address" /readyz; then
            away=$((away + 1)) silent="${silent:+$silent, }$name"
        fi
    done <<SERVERS
$listed
SERVERS
    [ "$away" -eq 0 ] || [ "$((all - 1 - away))" -ge "$((all / 2 + 1))" ]
}

keep_the_quorum() {
    [ "$ROLE" = server ] && is_pending && runs || return 0
    wait_closely_for 120 can_be_spared || fail "k3s cannot be restarted here: $away of $((all - 1)) other servers do \
not answer ($silent), and etcd would have no quorum — see k3s's journal there, then run up again"
}

remove_other_releases() {
    find "$(dirname "$STORE")" -mindepth 1 -maxdepth 1 -type d -name 'v*' ! -name "$(basename "$STORE")" \
        -exec rm -rf {} +
}

main() {
    take_k3s
    if ! has_joined; then
        say "has not joined yet"
        return 0
    fi
    keeps_the_pod_network
    put_in_place
    keep_the_quorum
    run
    wait_for_kubelet
    remove_other_releases
    say "k3s $ROLE runs $("$K3S" --version | sed -n '1s/^k3s version \([^ ]*\).*/\1/p')"
}

main "$@" </dev/null
