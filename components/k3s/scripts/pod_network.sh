# shellcheck shell=sh disable=SC2154
# Refuses what a cluster cannot be changed to while its pods run. Uses ROLE and CONFIG.

network_of() { if grep -qx 'flannel-backend: none'; then echo 'a network plugin'; else echo flannel; fi; }

# Pods that run stay connected by what connected them: whose their network is, is said once.
keeps_the_pod_network() {
    is_member || return 0
    old=$(network_of <"$CONFIG_FILE")
    new=$(printf '%s\n' "$CONFIG" | network_of)
    [ "$old" = "$new" ] ||
        fail "this cluster's pods are connected by $old, not by $new — those that run would be cut off — put addons.cni and k3s.flannelBackend back as they were, or make a new cluster"
    keeps_kube_proxy
}

# Of the plugins Cilium alone takes its place: another one's note says that the plugin is to change.
keeps_kube_proxy() {
    if ! printf '%s\n' "$CONFIG" | grep -qx 'disable-kube-proxy: true'; then return 0; fi
    noted=$(noted_network_plugin 2>/dev/null) || return 0
    case $noted in
        '' | cilium) return 0 ;;
        *) fail "this cluster's pods are connected by $noted, beside which kube-proxy serves Services — put addons.cni back as it was, or make a new cluster" ;;
    esac
}
