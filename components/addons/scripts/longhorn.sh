# shellcheck shell=sh disable=SC2034,SC2154
# Longhorn: waits until enough nodes store and volumes can be made; in the end lets go of it as it is,
# or makes it ready for an uninstallation with all data, which the chart's own job carries out.
# Uses WAIT and DESTROY, each true or false, REPLICAS, how many nodes are enough, and volumes.sh.
# Source: https://longhorn.io/docs/1.12.1/deploy/uninstall/.

NAMESPACE=longhorn-system
RELEASE=longhorn
DRIVERS='driver\.longhorn\.io'
READY_SECONDS=900

of_longhorn() { kubectl --namespace "$NAMESPACE" "$@"; }

# Of each node: its name, and of each of its disks whether it takes replicas.
disks() {
    of_longhorn get nodes.longhorn.io --output \
        'jsonpath={range .items[*]}{.metadata.name}{" "}{.status.diskStatus.*.conditions[?(@.type=="Schedulable")].status}{"\n"}{end}'
}

nodes_that_store() { disks 2>/dev/null | grep -cw True || true; }

is_ready() {
    [ "$(nodes_that_store)" -ge "$REPLICAS" ] && [ -n "$(classes)" ] &&
        kubectl get csidriver driver.longhorn.io >/dev/null 2>&1
}

# What Longhorn says of itself is more than that something is missing.
wait_until_ready() {
    wait_for "$READY_SECONDS" is_ready && return 0
    of_longhorn get nodes.longhorn.io --output \
        'jsonpath={range .items[*]}{.metadata.name}{": "}{.status.conditions[?(@.status=="False")].message}{" "}{.status.diskStatus.*.conditions[?(@.status=="False")].message}{"\n"}{end}' >&2
    of_longhorn get pods --output wide >&2
    fail "$(nodes_that_store) nodes store after $READY_SECONDS s, $REPLICAS are needed — see above what \
Longhorn says of its nodes and disks, and kubectl --namespace $NAMESPACE logs --selector app=longhorn-manager"
}

# Helm adopts what stands there when the same release is installed once more.
let_go() {
    of_longhorn delete secret --selector "owner=helm,name=$RELEASE" >&2
    say "Longhorn runs on with all data, and is no longer the stack's"
}

# Longhorn's job refuses to uninstall without it. Its webhook is asked about the setting.
confirm() {
    said=$(of_longhorn patch settings.longhorn.io deleting-confirmation-flag --type merge \
        --patch '{"value":"true"}' 2>&1)
}

destroy() {
    is_defined settings.longhorn.io || return 0
    remove_classes
    remove_volumes
    wait_for 60 confirm || fail "Longhorn does not take deleting-confirmation-flag — $said"
    say "no volume is left; what Longhorn still has, its own uninstallation destroys"
}

main() {
    case $1 in
        create) [ "$WAIT" = false ] || wait_until_ready ;;
        delete) if [ "$DESTROY" = true ]; then destroy; else let_go; fi ;;
    esac
}

main "$@" </dev/null
