# shellcheck shell=sh disable=SC2034,SC2154
# Ceph by Rook: waits until it answers on all of its disks; in the end lets go of it as it is, or
# takes it down with all data, in the order of https://rook.io/docs/rook/v1.20/Storage-Configuration/ceph-teardown.
# Uses WAIT and DESTROY, each true or false, DISKS, how many there are, and volumes.sh.

NAMESPACE=rook-ceph
CLUSTER=rook-ceph
DRIVERS="$NAMESPACE\.[^ ]*"
RELEASES='rook-ceph,rook-ceph-cluster,ceph-csi-drivers'
# Of the nodes that have one of these, Rook cleans the disks and /var/lib/rook.
DAEMONS='rook-ceph-mon,rook-ceph-mgr,rook-ceph-osd,rook-ceph-rgw,rook-ceph-mds,rook-ceph-rbd-mirror'
READY_SECONDS=900
GONE_SECONDS=600
CLEAN_SECONDS=600
PROFILES_SECONDS=120

of_rook() { kubectl --namespace "$NAMESPACE" "$@"; }

ceph_field() { of_rook get cephcluster "$CLUSTER" --ignore-not-found --output "jsonpath=$1"; }

is_gone() {
    found=$(of_rook get cephcluster "$CLUSTER" --ignore-not-found --output name) || return 1
    [ -z "$found" ]
}

disks_in_use() {
    of_rook get deployment --selector app=rook-ceph-osd \
        --output 'jsonpath={range .items[*]}{.status.readyReplicas}{"\n"}{end}' | grep -cx 1 || true
}

is_ready() { [ "$(ceph_field '{.status.phase}')" = Ready ] && [ "$(disks_in_use)" -ge "$DISKS" ]; }

wait_until_ready() {
    wait_for "$READY_SECONDS" is_ready && return 0
    ceph_field '{.status.ceph.details}{"\n"}' >&2
    of_rook get pods --output wide >&2
    fail "Ceph uses $(disks_in_use) of $DISKS disks after $READY_SECONDS s and says \
'$(ceph_field '{.status.phase}: {.status.message}')' — a disk must be empty (lsblk --fs on its node); \
see kubectl --namespace $NAMESPACE logs --selector app=rook-ceph-osd-prepare"
}

# Helm adopts what stands there when the same releases are installed once more.
let_go() {
    of_rook delete secret --selector "owner=helm,name in ($RELEASES)" >&2
    say "Ceph runs on with all data, and is no longer the stack's"
}

# Of each bucket: its claim's namespace and name.
buckets() {
    is_defined objectbucketclaims.objectbucket.io || return 0
    found=$(kubectl get objectbucketclaims --all-namespaces --output \
        'jsonpath={range .items[*]}{.spec.storageClassName} {.metadata.namespace} {.metadata.name}{"\n"}{end}') || return 1
    printf '%s\n' "$found" | sed -n "s/^ceph-bucket //p"
}

no_buckets() { left=$(buckets) && [ -z "$left" ]; }

remove_buckets() {
    left=$(buckets)
    printf '%s\n' "$left" | sed '/^$/d' | while read -r space claim; do
        kubectl delete objectbucketclaim --namespace "$space" "$claim" --wait=false >&2
    done
    wait_for "$VOLUMES_SECONDS" no_buckets ||
        fail "buckets are still there after $VOLUMES_SECONDS s: $(one_line "$left")"
}

hosts() {
    found=$(of_rook get pods --selector "app in ($DAEMONS)" \
        --output 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}') || return 1
    printf '%s\n' "$found" | sed '/^$/d' | sort -u | wc -l
}

# Rook lets go of pools and filesystems at once when their cluster is to be destroyed, not before.
# The policy is written now, because Rook configures nothing more once it is there.
remove_cluster() {
    of_rook patch cephcluster "$CLUSTER" --type merge --patch \
        '{"spec":{"cleanupPolicy":{"confirmation":"yes-really-destroy-data","allowUninstallWithVolumes":true}}}' >&2
    of_rook delete cephcluster "$CLUSTER" --wait=false >&2
    for kind in $(kubectl api-resources --api-group ceph.rook.io --namespaced --output name); do
        [ "$kind" = cephclusters.ceph.rook.io ] ||
            of_rook delete "$kind" --all --wait=false --ignore-not-found >&2
    done
    wait_for "$GONE_SECONDS" is_gone ||
        fail "Ceph is not gone after $GONE_SECONDS s: $(ceph_field '{.status.conditions[?(@.status=="True")].message}')"
}

# The CSI operator has to let go of these, before it goes itself.
remove_csi_profiles() {
    for kind in clientprofiles clientprofilemappings cephconnections; do
        is_defined "$kind.csi.ceph.io" || continue
        of_rook delete "$kind.csi.ceph.io" --all --timeout "${PROFILES_SECONDS}s" >&2
    done
}

cleaning() {
    of_rook get jobs --selector rook-ceph-cleanup=true \
        --output 'jsonpath={range .items[*]}{.metadata.name} {.status.succeeded}{"\n"}{end}'
}

hosts_cleaned() { cleaning | grep -c ' 1$' || true; }

all_cleaned() { [ "$(hosts_cleaned)" -ge "$to_clean" ]; }

destroy() {
    is_defined cephclusters.ceph.rook.io || return 0
    if is_gone; then
        # An earlier run may have ended here.
        to_clean=$(cleaning | wc -l)
    else
        remove_classes
        remove_buckets
        remove_volumes
        to_clean=$(hosts)
        remove_cluster
    fi
    wait_for "$CLEAN_SECONDS" all_cleaned ||
        fail "disks of $(hosts_cleaned) of $to_clean nodes are wiped after $CLEAN_SECONDS s — see kubectl \
--namespace $NAMESPACE get jobs --selector rook-ceph-cleanup=true"
    remove_csi_profiles
    say "Ceph is gone, and all data with it"
}

main() {
    case $1 in
        create) [ "$WAIT" = false ] || wait_until_ready ;;
        delete) if [ "$DESTROY" = true ]; then destroy; else let_go; fi ;;
    esac
}

main "$@" </dev/null
