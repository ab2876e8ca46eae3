# shellcheck shell=sh disable=SC2154
# Waits until a network plugin runs as it was last told to, and every node is Ready in its network.
# Uses NODES, by name, one a line; WORKLOADS of the plugin, one a line after its namespace; SIGN, an
# annotation that each node must have (empty: none). MACHINES and RELEASE are there to wait anew when
# they change.

NODES_SECONDS=600

kubectl() { "$K3S" kubectl "$@" 2>/dev/null; }

# How each node is, a line: its name, whether it is Ready, and the sign.
states() {
    ready='{.status.conditions[?(@.type=="Ready")].status}'
    sign=''
    [ -z "$SIGN" ] || sign="{.metadata.annotations.$(printf '%s' "$SIGN" | sed 's/\./\\./g')}"
    kubectl get nodes --output "jsonpath={range .items[*]}{.metadata.name} $ready $sign{\"\\n\"}{end}" || true
}

lacking() {
    found=$(states)
    for node in $NODES; do
        printf '%s\n' "$found" | grep -q "^$node True ${SIGN:+.}" || echo "$node"
    done
}

all_nodes_are_ready() {
    missing=$(lacking)
    [ -z "$missing" ]
}

rolled_out() {
    printf '%s\n' "$WORKLOADS" | while read -r space workload; do
        kubectl rollout status "$workload" --namespace "$space" --timeout 5s >/dev/null || exit 1
    done
}

stands() { all_nodes_are_ready && rolled_out; }

why_not_ready() {
    condition=$(kubectl get node "$1" --output 'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} since {.lastTransitionTime}: {.reason} — {.message}{end}') ||
        condition='there is no such node'
    case $condition in
        True*) condition="$condition — but it has no $SIGN: its kernel has no WireGuard, or Calico has not come to it" ;;
    esac
    say "node $1 is not Ready: ${condition:-it has not told how it is}"
    kubectl get pods --all-namespaces --no-headers --field-selector "spec.nodeName=$1" |
        awk '{ split($3, n, "/") } n[1] != n[2] && $4 != "Completed" { print "  pod " $1 "/" $2 ": " $4 ", " $3 " ready" }' >&2
}

last_warnings() {
    kubectl get events --all-namespaces --no-headers --field-selector type=Warning \
        --sort-by .metadata.creationTimestamp --output \
        'custom-columns=:.involvedObject.namespace,:.involvedObject.name,:.reason,:.message' |
        tail -n 5 | sed 's/^/  /' >&2
}

tell_why() {
    say "after $NODES_SECONDS s:"
    for node in $(printf '%s\n' "$missing" | head -n 5); do why_not_ready "$node"; done
    say "the last warnings:"
    last_warnings
}

main() {
    wait_for "$NODES_SECONDS" stands || {
        tell_why
        [ -n "$missing" ] || fail "all nodes are Ready, but not all of the plugin runs after $NODES_SECONDS s: $(printf '%s' "$WORKLOADS" | tr '\n' ',') — see the warnings above"
        fail "not Ready after $NODES_SECONDS s: $(printf '%s' "$missing" | tr '\n' ' ') — their conditions and pods are above — mend the cause, then run up again"
    }
    say "all nodes are Ready"
}

main "$@" </dev/null
