# shellcheck shell=sh disable=SC2034,SC2154
# What the scripts of this folder share, and whose this host is. They arrive in one text on standard
# input, after assignments of NODE (name of the node), CLUSTER, STORE (the folder of the release's files),
# GENERATION (what the host is made anew with), and what each script names.
set -eu
umask 077

FOLDER=/etc/k3s-pulumi
CLAIM=$FOLDER/node
NOTED=$FOLDER/generation
# The address that kube-vip may have put on a card of this host, and the card.
SHARED_ADDRESS=$FOLDER/kube-vip

# Where nft and modprobe are, which a user's PATH may not have.
PATH=$PATH:/usr/sbin:/sbin
export PATH

say() { printf '%s: host: %s\n' "$NODE" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# The name of the node that this host is, and of its cluster; nothing on a host that is nobody's.
claimed() { cat "$CLAIM" 2>/dev/null || true; }

# As which generation it was last made the cluster's.
generation() { cat "$NOTED" 2>/dev/null || true; }

note_generation() {
    printf '%s\n' "$GENERATION" >"$NOTED.new"
    mv -f "$NOTED.new" "$NOTED"
}

is_ours() { [ "$(claimed)" = "$CLUSTER $NODE" ]; }

k3s_is_here() { [ -e /etc/systemd/system/k3s.service ] || [ -e /etc/systemd/system/k3s-agent.service ]; }

# One host is one node: a second one would share its ports, and going, would take the first one down.
claim() {
    if is_ours; then return 0; fi
    if [ -n "$(claimed)" ]; then
        fail "this host is node '$(claimed | cut -d ' ' -f 2)' of cluster '$(claimed | cut -d ' ' -f 1)'" \
            "— a host is one node — take it out there first (up without it, or destroy), then run up again"
    fi
    if k3s_is_here; then
        fail "k3s is installed on this host, and not by this stack — its cluster would be lost —" \
            "uninstall it (k3s-uninstall.sh or k3s-agent-uninstall.sh), or leave this host out"
    fi
    mkdir -p "$FOLDER"
    printf '%s\n' "$CLUSTER $NODE" >"$CLAIM.new"
    mv -f "$CLAIM.new" "$CLAIM"
}

release() {
    rm -f "$CLAIM" "$NOTED"
    if [ -d "$FOLDER" ]; then rmdir --ignore-fail-on-non-empty "$FOLDER"; fi
}
