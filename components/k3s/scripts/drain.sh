# shellcheck shell=sh disable=SC2154
# Before a node is changed: its pods go elsewhere, when it is to have another version and there is
# an elsewhere. Runs on a server: on the node itself, if it is one.
# Uses ROLE (the node's), WANTED (a version), DRAIN (empty: never), DRAIN_SECONDS, DELETE_BARE_PODS
# (empty: they stop the drain), and what nodes.sh uses. CHANGE is the change's number.

# A server whose k3s is down has nobody to ask but the others.
runs_k3s() { [ "$ROLE" = agent ] || [ "$(systemctl is-active k3s)" = active ]; }

# NAME|UNSCHEDULABLE|READY|TAINTS, each KEY:EFFECT and a comma, of each node.
all_nodes() {
    ask_api get nodes --output 'jsonpath={range .items[*]}{.metadata.name}|{.spec.unschedulable}|{.status.conditions[?(@.type=="Ready")].status}|{range .spec.taints[*]}{.key}:{.effect},{end}{"\n"}{end}'
}

# Another node that takes pods. Taints that follow from the other facts come and go after them.
elsewhere() {
    all_nodes | sed -E 's/node\.kubernetes\.io\/(unschedulable|not-ready|unreachable):[A-Za-z]+,//g' |
        awk -F '|' -v node="$NODE" \
            '$1 != node && $2 != "true" && $3 == "True" && $4 !~ /:No(Schedule|Execute),/ { print $1; exit }'
}

# NAMESPACE/NAME and kind of owner of the pods that run on the node.
all_pods() {
    ask_api get pods --all-namespaces \
        --field-selector "spec.nodeName=$NODE,status.phase!=Succeeded,status.phase!=Failed" \
        --output 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.metadata.ownerReferences[0].kind}{"\n"}{end}'
}

# What a drain has to move.
pods() { all_pods | awk '$2 != "DaemonSet" && $2 != "Node" { print $1 }'; }

bare_pods() { all_pods | awk 'NF == 1 { print $1 }'; }

named() { paste -sd ' ' -; }

close_and_drain() {
    if [ "$(node_field '{.spec.unschedulable}')" != true ]; then
        # First the note: whoever goes on from here is to know that it was not closed by others.
        ask_api annotate node "$NODE" --overwrite "$DRAINED=$CHANGE" >/dev/null
    fi
    # shellcheck disable=SC2086 # a flag or nothing
    kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data \
        ${DELETE_BARE_PODS:+--force} --timeout "${DRAIN_SECONDS}s" 2>&1
}

drain() {
    if [ -z "$DELETE_BARE_PODS" ]; then
        bare=$(bare_pods | named)
        [ -z "$bare" ] || fail "pods that nobody makes anew: $bare — a drain would end them for good — delete them, or write upgrade.deleteBarePods: true"
    fi
    say "moves $(pods | wc -l) pods"
    log=$(close_and_drain) || {
        printf '%s\n' "$log" | tail -n 5 >&2
        left=$(pods | named)
        reopen
        fail "was not drained in $DRAIN_SECONDS s — still there: ${left:-none} — see what holds them (a PodDisruptionBudget?), or write a longer upgrade.drainSeconds, then run up again"
    }
    say "is drained"
}

main() {
    if ! knows_a_cluster; then
        say "has no cluster yet"
        return 0
    fi
    if ! wait_closely_for 60 api_answers; then
        if runs_k3s; then
            fail "neither this server's API nor $REGISTRATION has answered within 60 s — see journalctl --unit k3s on the servers"
        fi
        say "k3s does not run here, and nobody else answers: is changed as it is"
        return 0
    fi
    found=$(kubelet_version)
    if [ -z "$found" ]; then
        say "has not registered yet"
    elif [ "$found" = "$WANTED" ] || [ -z "$DRAIN" ]; then
        say "keeps its pods"
    elif [ -z "$(elsewhere)" ]; then
        say "keeps its pods: no other node takes any"
    else
        drain
    fi
}

main "$@" </dev/null
