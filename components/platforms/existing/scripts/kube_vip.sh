# shellcheck shell=sh disable=SC2154
# Puts kube-vip's objects where k3s of this server looks for what it is to run, before k3s starts, and
# takes them out of a cluster that goes on without it. Comes after claim.sh and turn.sh. Uses
# ADDRESS, INTERFACE and MANIFEST.

K3S=/usr/local/bin/k3s
SERVER=/var/lib/rancher/k3s/server
MANIFEST_FILE=$SERVER/manifests/k3s-pulumi-kube-vip.yaml

# An address that is announced by ARP is one of the card's own network, without a router in between.
check_network() {
    ip link show dev "$INTERFACE" >/dev/null 2>&1 ||
        fail "no network card $INTERFACE — kube-vip has $ADDRESS there — write the name that ip address shows," \
            "the same on all servers, as existing.registration.kubeVip.interface"
    [ -n "$(ip -4 route show to match "$ADDRESS" dev "$INTERFACE" scope link)" ] ||
        fail "$ADDRESS is not of a network that $INTERFACE is in — nobody would find it there by ARP —" \
            "write a free address of $(ip -4 -brief address show dev "$INTERFACE" | awk '{ print $3 }')"
}

create() {
    check_network
    if ! is_ours; then fail "this host is '$(claimed)', not this stack's"; fi
    # For root alone, as k3s makes it.
    mkdir -p "$SERVER/manifests"
    # uninstall.sh takes it off the card when k3s has gone: a pod that is killed leaves it there.
    printf '%s %s\n' "$ADDRESS" "$INTERFACE" >"$SHARED_ADDRESS"
    printf '%s\n' "$MANIFEST" >"$MANIFEST_FILE.new"
    mv -f "$MANIFEST_FILE.new" "$MANIFEST_FILE"
    say "kube-vip is to have $ADDRESS on $INTERFACE"
}

in_its_cluster() { timeout 20 "$K3S" kubectl get node "$NODE" --output name >/dev/null 2>&1; }

# A server that has left must not take kube-vip from those that stay.
delete() {
    if [ -e "$MANIFEST_FILE" ] && in_its_cluster; then
        timeout 90 "$K3S" kubectl delete --ignore-not-found --filename "$MANIFEST_FILE" >/dev/null ||
            say "kube-vip's objects are still in the cluster: k3s kubectl delete --filename $MANIFEST_FILE"
    fi
    rm -f "$MANIFEST_FILE"
    say "kube-vip is no longer this host's"
}

main() {
    case ${1-} in
        create | delete) "$1" ;;
        *) fail "kube_vip.sh: ${1-nothing} — not an action — write create or delete" ;;
    esac
}

main "$@" </dev/null
