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

# Opens a Node that was closed here.
reopen() {
    [ -n "$(node_field '{.metadata.annotations.k3s-pulumi/drained}')" ] || return 0
    ask_api uncordon "$NODE" >/dev/null
    ask_api annotate node "$NODE" "$DRAINED-" >/dev/null
    say "takes pods again"
}
