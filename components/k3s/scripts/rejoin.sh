# shellcheck shell=sh disable=SC2154
# A node that was taken out of the cluster stays out until it is wanted again.
# Uses ROLE and what service.sh has.

# k3s leaves it when the others have removed its member of etcd; with it there, the next start of k3s
# would join them as a new member.
TOMBSTONE=/var/lib/rancher/k3s/server/db/etcd/tombstone
STAYS_OUT=/etc/systemd/system/k3s.service.d/k3s-pulumi.conf
KUBELET_CONFIG=/var/lib/rancher/k3s/agent/kubelet.kubeconfig

# Else systemd starts a removed server again, which joins in the moments before its machine goes.
stay_out_once_removed() {
    [ "$ROLE" = server ] || return 0
    wanted=$(printf '# A server that was taken out of its cluster is not started again by itself.\n[Unit]\nConditionPathExists=!%s' "$TOMBSTONE")
    [ "$wanted" != "$(cat "$STAYS_OUT" 2>/dev/null)" ] || return 0
    # Units are there for every user to read.
    (umask 022 && printf '%s\n' "$wanted" | write_whole "$STAYS_OUT")
    systemctl daemon-reload
}

was_removed() { [ "$ROLE" = server ] && [ -e "$TOMBSTONE" ]; }

# A kubelet registers when it starts, and never again: it does not see that its Node was deleted.
has_no_node() {
    [ -s "$KUBELET_CONFIG" ] && is_active &&
        "$K3S" kubectl --kubeconfig "$KUBELET_CONFIG" --request-timeout 10s get node "$NODE" 2>&1 |
        grep -qF "nodes \"$NODE\" not found"
}

# Whoever was taken out comes back as one who was never there: its data are put aside, as k3s does.
take_back() {
    stay_out_once_removed
    if was_removed; then
        say "was taken out of the cluster: joins it anew"
        systemctl stop "$(unit)"
        mv "${TOMBSTONE%/*}" "${TOMBSTONE%/*}-old-$(date +%s%N)"
    elif has_no_node; then
        say "its Node is gone: registers anew"
        systemctl stop "$(unit)"
    fi
}
