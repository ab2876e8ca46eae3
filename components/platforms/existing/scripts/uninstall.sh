# shellcheck shell=sh disable=SC2154
# Takes k3s off the host by its own uninstaller, and what the steps put beside it. Comes after claim.sh.

# Of network plugins k3s's uninstaller knows flannel alone. Before it ends their pods, the cards go by
# which a host could lose its own network: https://docs.k3s.io/networking/basic-network-options#custom-cni
PLUGINS_CARDS='cilium_host cilium_net cilium_vxlan cilium_wg0 vxlan.calico vxlan-v6.calico wireguard.cali wg-v6.cali'

remove_network_plugin() {
    for card in $PLUGINS_CARDS; do
        ip link delete "$card" 2>/dev/null || true
    done
    for tables in iptables ip6tables; do
        command -v "$tables-save" >/dev/null 2>&1 || continue
        rules=$("$tables-save" 2>/dev/null) || continue
        if printf '%s\n' "$rules" | grep -qi -e cilium -e cali-; then
            printf '%s\n' "$rules" | grep -vi -e cilium -e cali- | "$tables-restore"
        fi
    done
    for file in 05-cilium.conflist 10-calico.conflist calico-kubeconfig; do rm -f "/etc/cni/net.d/$file"; done
    for file in cilium-cni calico calico-ipam; do rm -f "/opt/cni/bin/$file"; done
}

uninstall_k3s() {
    remove_network_plugin
    for name in k3s-agent-uninstall.sh k3s-uninstall.sh; do
        if ! [ -x "/usr/local/bin/$name" ]; then continue; fi
        say "runs $name"
        log=$("/usr/local/bin/$name" 2>&1) || {
            printf '%s\n' "$log" | tail -n 25 >&2
            fail "$name failed — its last words are above — mend the cause, then run it again"
        }
        if [ -e /usr/local/bin/k3s ]; then
            printf '%s\n' "$log" | tail -n 25 >&2
            fail "k3s is still here after $name — its last words are above — mend the cause, then run it again"
        fi
    done
    # What the plugin's pods made anew until they ended.
    remove_network_plugin
    # What rejoin.sh wrote beside k3s's unit.
    rm -f /etc/systemd/system/k3s.service.d/k3s-pulumi.conf
    if [ -d /etc/systemd/system/k3s.service.d ]; then rmdir --ignore-fail-on-non-empty /etc/systemd/system/k3s.service.d; fi
    # The release's files, kubectl's cache, and the password by which a cluster knew the node.
    rm -rf "$STORE" /run/k3s-pulumi/kube-cache /etc/rancher/node
    if [ -d /etc/rancher ]; then rmdir --ignore-fail-on-non-empty /etc/rancher; fi
    # What features.sh wrote beside the packages, which stay.
    rm -f /etc/modules-load.d/k3s-iscsi.conf /etc/multipath/conf.d/k3s-iscsi.conf
    if [ -d /etc/multipath/conf.d ]; then rmdir --ignore-fail-on-non-empty /etc/multipath/conf.d; fi
    # Folders that its kubelet and its pods' network made, once they are empty.
    for folder in /usr/libexec/kubernetes /var/lib/cni /run/netns; do remove_empty "$folder"; done
    remove_containerds_folders
    remove_registration_address
}

# Once no pod of kube-vip's is left to put it back.
remove_registration_address() {
    [ -e "$SHARED_ADDRESS" ] || return 0
    read -r address card <"$SHARED_ADDRESS"
    if [ -n "$(ip -4 -oneline address show dev "$card" to "$address" 2>/dev/null)" ]; then
        ip address delete "$address/32" dev "$card"
    fi
    rm -f "$SHARED_ADDRESS"
}

remove_empty() { if [ -d "$1" ] && ! mountpoint -q "$1"; then find "$1" -depth -type d -empty -delete; fi; }

# Every containerd has them, so those of the owner's are left alone. Of pods that were killed, sockets,
# pipes and what runc noted of them are there.
remove_containerds_folders() {
    if cat /proc/[0-9]*/comm 2>/dev/null | grep -q '^containerd'; then return 0; fi
    if [ -d /run/containerd ]; then find /run/containerd \( -type s -o -type p \) -delete; fi
    rm -rf /run/containerd/runc/k8s.io
    for folder in /run/containerd /opt/containerd; do remove_empty "$folder"; done
}
