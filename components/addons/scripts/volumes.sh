# shellcheck shell=sh disable=SC2154
# Storage classes and volumes of CSI drivers, in the whole cluster: found, and taken away with all
# claims to them and the pods that use them.
# Uses DRIVERS, a regular expression (of sed) that their names match.

VOLUMES_SECONDS=300
KEPT_SECONDS=60

kubectl() { "$K3S" kubectl "$@"; }

# What the API does not say is not taken for nothing: these fail, or answer no.

# A kind that nobody has defined is one without objects.
is_defined() {
    found=$(kubectl get crd "$1" --ignore-not-found --output name) || fail "the API does not answer"
    [ -n "$found" ]
}

# Names of the storage classes.
classes() {
    found=$(kubectl get storageclass --output \
        'jsonpath={range .items[*]}{.provisioner} {.metadata.name}{"\n"}{end}') || return 1
    printf '%s\n' "$found" | sed -n "s/^$DRIVERS //p"
}

# Of each volume: reclaim policy, its own name, its claim's namespace and name.
volumes() {
    found=$(kubectl get persistentvolume --output 'jsonpath={range .items[*]}{.spec.csi.driver} {.spec.persistentVolumeReclaimPolicy} {.metadata.name} {.spec.claimRef.namespace} {.spec.claimRef.name}{"\n"}{end}') || return 1
    printf '%s\n' "$found" | sed -n "s/^$DRIVERS //p"
}

# users_of NAMESPACE CLAIM: the pods that mount it.
users_of() {
    kubectl get pods --namespace "$1" --output \
        'jsonpath={range .items[*]}{.metadata.name}{range .spec.volumes[*]}{" "}{.persistentVolumeClaim.claimName}{end}{"\n"}{end}' |
        awk -v claim="$2" '{ for (i = 2; i <= NF; i++) if ($i == claim) { print $1; next } }'
}

no_volumes() {
    left=$(volumes) || return 1
    case "
$left" in *"
Delete "*) return 1 ;; esac
}

none_at_all() {
    left=$(volumes) || return 1
    [ -z "$left" ]
}

# Without its class a StatefulSet's new claim stays unbound.
remove_classes() {
    left=$(classes)
    for class in $left; do kubectl delete storageclass "$class" >&2; done
}

remove_volumes() {
    left=$(volumes)
    printf '%s\n' "$left" | sed '/^$/d' | while read -r _ _ space claim; do
        [ -n "$claim" ] || continue
        kubectl delete persistentvolumeclaim --namespace "$space" "$claim" --wait=false --ignore-not-found >&2
        for pod in $(users_of "$space" "$claim"); do
            kubectl delete pod --namespace "$space" "$pod" --wait=false --ignore-not-found >&2
        done
    done
    wait_for "$VOLUMES_SECONDS" no_volumes ||
        fail "volumes are still there after $VOLUMES_SECONDS s: $(one_line "$left") — end what uses them"
    # Of those that are kept by their policy, what they stand for goes with the disks.
    left=$(volumes)
    printf '%s\n' "$left" | sed '/^$/d' | while read -r _ volume _; do
        kubectl delete persistentvolume "$volume" --wait=false >&2
    done
    wait_for "$KEPT_SECONDS" none_at_all ||
        fail "volumes are still there after $KEPT_SECONDS s: $(one_line "$left") — end what uses them"
}

one_line() { printf '%s' "$1" | tr '\n' ';'; }
