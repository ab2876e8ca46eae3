# shellcheck shell=sh disable=SC2154
# A server's look at the nodes of its cluster, through its own API or, when that does not answer,
# through the registration address. Uses NODE and REGISTRATION, an URL.

KUBECONFIG_FILE=/etc/rancher/k3s/k3s.yaml
# On a Node that was closed to pods here: one that somebody else has cordoned stays so.
DRAINED=k3s-pulumi/drained
API=''

# A machine that is to be a server has no cluster to ask yet.
knows_a_cluster() { [ -x "$K3S" ] && [ -s "$KUBECONFIG_FILE" ]; }

kubectl() { "$K3S" kubectl ${API:+"--server=$API"} "$@"; }

ask_api() { kubectl --request-timeout 10s "$@"; }

api_answers() {
    API=''
    if ask_api get --raw /readyz >/dev/null 2>&1; then return 0; fi
    API=$REGISTRATION
    ask_api get --raw /readyz >/dev/null 2>&1
}

node_field() { ask_api get node "$NODE" --output "jsonpath=$1" 2>/dev/null; }

# Nothing where there is no such Node; false where nobody knows.
kubelet_version() {
    ask_api get node "$NODE" --ignore-not-found --output 'jsonpath={.status.nodeInfo.kubeletVersion}'
}

ready_condition() { node_field "{.status.conditions[?(@.type==\"Ready\")].$1}"; }

# Uses POD_NETWORK, empty where a network plugin comes later, from somebody else.
is_ready() {
    [ "$(ready_condition status)" = True ] || { [ -z "$POD_NETWORK" ] && lacks_only_its_pod_network; }
}

# The kubelet lists several reasons in brackets; this one alone stands without them.
lacks_only_its_pod_network() {
    case $(ready_condition message) in
        'container runtime network not ready:'*) return 0 ;;
        *) return 1 ;;
    esac
}

show_conditions() { ask_api describe node "$NODE" 2>&1 | sed -n '/^Conditions:/,/^Addresses:/p' >&2; }

# NAME ADDRESS of each server that has a member of etcd, and has it still.
servers() {
    ask_api get nodes --selector node-role.kubernetes.io/etcd=true --output \
        'jsonpath={range .items[*]}{.metadata.name} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
}

# server_answers ADDRESS PATH: the API server there, and no other; for /readyz/etcd it asks the member
# beside it, and for /readyz all that it needs.
server_answers() {
    case $1 in *:*) host="[$1]" ;; *) host=$1 ;; esac
    "$K3S" kubectl --server "https://$host:6443" --request-timeout 5s get --raw "$2" >/dev/null 2>&1
}

# Opens a Node that was closed here.
reopen() {
    [ -n "$(node_field '{.metadata.annotations.k3s-pulumi/drained}')" ] || return 0
    ask_api uncordon "$NODE" >/dev/null
    ask_api annotate node "$NODE" "$DRAINED-" >/dev/null
    say "takes pods again"
}
