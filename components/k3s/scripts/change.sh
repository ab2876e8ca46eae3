# shellcheck shell=sh disable=SC2154
# Brings a node that has joined to another version or configuration; k3s starts anew if it has to.
# Uses what service.sh and nodes.sh use. CHANGE is the change's number.

# NAME ADDRESS of each other server.
other_servers() {
    ask_api get nodes --selector node-role.kubernetes.io/etcd=true \
        --output 'jsonpath={range .items[*]}{.metadata.name} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}' |
        awk -v node="$NODE" '$1 != node { print $1, $2 }'
}

# server_answers ADDRESS: its API does so only with etcd behind it.
server_answers() {
    case $1 in *:*) host="[$1]" ;; *) host=$1 ;; esac
    "$K3S" kubectl --server "https://$host:6443" --request-timeout 5s get --raw /readyz >/dev/null 2>&1
}

# Nobody else is away, or etcd keeps its quorum without this server all the same.
can_be_spared() {
    servers=1 silent='' away=0
    api_answers || return 1
    others=$(other_servers) || return 1
    while read -r name address; do
        [ -n "$name" ] || continue
        servers=$((servers + 1))
        if ! server_answers "$address"; then
            away=$((away + 1)) silent="${silent:+$silent, }$name"
        fi
    done <<OTHERS
$others
OTHERS
    [ "$away" -eq 0 ] || [ "$((servers - 1 - away))" -ge "$((servers / 2 + 1))" ]
}

keep_the_quorum() {
    [ "$ROLE" = server ] && is_pending && runs || return 0
    wait_closely_for 120 can_be_spared || fail "k3s cannot be restarted here: $away of $((servers - 1)) other servers do \
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
