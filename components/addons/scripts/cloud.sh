# shellcheck shell=sh disable=SC2034,SC2154
# A cloud's controllers in the cluster: waits until the cloud controller has met every node, and the
# others run. Before they go, and where TAKE_DOWN is true, what they have made in the cloud is taken
# down: balancers, and volumes where DESTROY is true.
# Uses NODES: names and provider ids, a node a line; WORKLOADS to wait for, one a line after its
# namespace; LOGS, the labels of the controller's pods in kube-system; DRIVERS and volumes.sh.

MET_SECONDS=600
BALANCERS_SECONDS=600
UNINITIALIZED=node.cloudprovider.kubernetes.io/uninitialized
# Kept on a Service by the controller as long as there is a balancer for it:
# https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/
HELD=service.kubernetes.io/load-balancer-cleanup
RANGES=service.beta.kubernetes.io/load-balancer-source-ranges

# Each node: its name, its provider id, and its taints' keys.
nodes() {
    kubectl get nodes --output \
        'jsonpath={range .items[*]}{.metadata.name}|{.spec.providerID}|{range .spec.taints[*]}{.key},{end}{"\n"}{end}' 2>/dev/null
}

# Of the nodes, each with what it still lacks.
not_met() {
    there=$(nodes) || { echo 'the API does not answer'; return 0; }
    printf '%s\n' "$NODES" | while read -r name id; do
        found=$(printf '%s\n' "$there" | awk -F '|' -v name="$name" '$1 == name')
        given=$(printf '%s' "$found" | cut -d '|' -f 2)
        case $found in
            '') echo "$name: there is no such node" ;;
            *"$UNINITIALIZED"*) echo "$name: the cloud controller has not met it (taint $UNINITIALIZED)" ;;
            *) [ "$given" = "$id" ] || echo "$name: its provider id is '$given', not $id" ;;
        esac
    done
}

# A Node keeps its provider id for life, so that no wait mends another one.
tell_of_strangers() {
    strangers=$(nodes | while IFS='|' read -r name id _; do
        wanted=$(printf '%s\n' "$NODES" | awk -v name="$name" '$1 == name { print $2 }')
        [ -z "$wanted" ] || [ -z "$id" ] || [ "$id" = "$wanted" ] || echo "$name ($id)"
    done)
    [ -z "$strangers" ] ||
        fail "$(one_line "$strangers") — a Node keeps its provider id for life, and this is not the cloud's: it \
registered before the add-on was chosen — take such nodes out of their groups and put them back, one up each, \
servers one at a time"
}

all_met() {
    lacking=$(not_met)
    [ -z "$lacking" ]
}

not_rolled_out() {
    printf '%s\n' "$WORKLOADS" | sed '/^$/d' | while read -r space workload; do
        kubectl rollout status "$workload" --namespace "$space" --timeout 5s >/dev/null 2>&1 || echo "$workload"
    done
}

all_rolled_out() {
    behind=$(not_rolled_out)
    [ -z "$behind" ]
}

# What pods of the add-on say of themselves. A log may have long lines, and there may be many.
tell_why() {
    kubectl --namespace kube-system get pods --output wide --selector "$LOGS" >&2 || true
    kubectl --namespace kube-system logs --selector "$LOGS" --tail 8 --prefix 2>&1 | cut -c 1-400 >&2 || true
    kubectl --namespace kube-system get events --no-headers --field-selector type=Warning \
        --sort-by .metadata.creationTimestamp --output 'custom-columns=:.involvedObject.name,:.reason,:.message' |
        tail -n 5 >&2 || true
}

wait_until_met() {
    tell_of_strangers
    wait_for "$MET_SECONDS" all_met || {
        tell_why
        fail "after $MET_SECONDS s: $(one_line "$lacking") — the controller's pods, last words and warnings are above"
    }
    wait_for "$MET_SECONDS" all_rolled_out || {
        tell_why
        fail "not all up after $MET_SECONDS s: $(one_line "$behind") — warnings are above; see kubectl --namespace kube-system describe"
    }
    say "the cloud controller has met every node"
}

# Services that the cloud controller has a balancer for, or would make one for: namespace, name, type.
balancers() {
    found=$(kubectl get services --all-namespaces --output \
        'jsonpath={range .items[*]}{.metadata.namespace}|{.metadata.name}|{.spec.type}|{.spec.loadBalancerClass}|{.metadata.finalizers}{"\n"}{end}') || return 1
    printf '%s\n' "$found" | awk -F '|' -v held="$HELD" \
        '($3 == "LoadBalancer" && $4 == "") || index($5, held) { print $1, $2, $3 }'
}

# The Service stays, for those who ask it from inside. What only a balancer has goes along, or the API
# would refuse the change.
give_up_balancer() {
    kubectl patch service --namespace "$1" "$2" --type merge --patch \
        "{\"spec\":{\"type\":\"ClusterIP\",\"loadBalancerSourceRanges\":null},\"metadata\":{\"annotations\":{\"$RANGES\":null}}}" >&2
}

# Asked each time: somebody may put one back while others go.
no_balancers() {
    left=$(balancers) || return 1
    printf '%s\n' "$left" | while read -r space service type; do
        [ "$type" != LoadBalancer ] || give_up_balancer "$space" "$service"
    done
    [ -z "$left" ]
}

why_held() {
    printf '%s\n' "$left" | sed '/^$/d' | head -n 5 | while read -r space service _; do
        kubectl get events --namespace "$space" --no-headers --sort-by .metadata.creationTimestamp \
            --field-selector "involvedObject.kind=Service,involvedObject.name=$service" --output \
            "custom-columns=:.involvedObject.name,:.reason,:.message" | tail -n 3 >&2 || true
    done
}

remove_balancers() {
    left=$(balancers) ||
        fail "the API does not answer — balancers and volumes would be left in the cloud — mend the cluster, or \
take them away by hand and this step out of the state (pulumi state delete)"
    [ -n "$left" ] || return 0
    say "lets balancers go: $(one_line "$left")"
    wait_for "$BALANCERS_SECONDS" no_balancers || {
        why_held
        tell_why
        fail "balancers are still there after $BALANCERS_SECONDS s: $(one_line "$left") — what the cloud controller \
says is above — mend the cause and run this again; the network cannot go before them"
    }
}

# Those that are kept by their policy are volumes of the cloud, too.
let_none_be_kept() {
    volumes | while read -r policy volume _; do
        [ "$policy" = Delete ] || kubectl patch persistentvolume "$volume" --type merge --patch \
            '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}' >&2
    done
}

take_down() {
    remove_balancers
    if [ "$DESTROY" = true ]; then
        remove_classes
        let_none_be_kept
        remove_volumes
    fi
    say "nothing that was made for the cluster is left in the cloud$([ "$DESTROY" = true ] || echo ', but for volumes')"
}

# When the key is taken out, k3s has been told so before this: then the controllers may have lost their
# permissions, and k3s's own would say of balancers that they are gone.
is_let_go_of() { ! grep -qx 'disable-cloud-controller: true' "$CONFIG_FILE"; }

refuse_to_leave_anything() {
    left=$(balancers) || fail "the API does not answer"
    if [ "$DESTROY" = true ]; then left="$left$(volumes)"; fi
    [ -z "$left" ] ||
        fail "this is still in the cloud: $(one_line "$left") — the cloud's controllers have to take it down, \
and are about to go — put addons.cloudController back with takeDown: true, run up, and then take the key out"
}

main() {
    case $1 in
        create)
            wait_until_met
            [ "$TAKE_DOWN" = false ] || take_down
            ;;
        delete) if is_let_go_of; then refuse_to_leave_anything; else take_down; fi ;;
    esac
}

main "$@" </dev/null
