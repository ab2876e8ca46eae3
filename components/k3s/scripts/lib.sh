# shellcheck shell=sh disable=SC2034
# Shared by the scripts of this folder. It arrives before them on standard input, after assignments
# of NODE and STEP and of what each function names. Progress goes to standard error, a step's result
# to standard output. Secrets are only ever in variables and in files of mode 0600.
set -eu
umask 077

K3S=/usr/local/bin/k3s
CONFIG_FILE=/etc/rancher/k3s/config.yaml
SERVER_DATA=/var/lib/rancher/k3s/server
IMAGES_FOLDER=/var/lib/rancher/k3s/agent/images
# kubectl would leave its cache in the home of whoever a step logs in as.
KUBECACHEDIR=/run/k3s-pulumi/kube-cache
export KUBECACHEDIR
# A ConfigMap that says by which network plugin the pods of a cluster are connected.
NETWORK_PLUGIN_NOTE=k3s-pulumi-network-plugin

say() { printf '%s: %s: %s\n' "$NODE" "$STEP" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# wait_for SECONDS CONDITION: asks once a second; false once the time is over.
wait_for() { ask 0 "$@"; }

# wait_closely_for SECONDS CONDITION: the same for what comes within moments and holds up all that
# follows: asks five times a second to begin with.
wait_closely_for() { ask 15 "$@"; }

# ask CLOSELY SECONDS CONDITION: closely for so many seconds.
ask() {
    closely=$(($(date +%s) + $1))
    deadline=$(($(date +%s) + $2))
    shift 2
    until "$@"; do
        # Nobody is left who waits for it: turn.sh knows.
        if is_cut_off; then exit 1; fi
        now=$(date +%s)
        [ "$now" -lt "$deadline" ] || return 1
        if [ "$now" -lt "$closely" ]; then nap=0.2; else nap=1; fi
        # Not every sleep takes a part of a second.
        sleep "$nap" 2>/dev/null || sleep 1
    done
}

is_cut_off() { false; }

noted_network_plugin() {
    "$K3S" kubectl get configmap "$NETWORK_PLUGIN_NOTE" --namespace kube-system --ignore-not-found \
        --output 'jsonpath={.data.plugin}'
}

# A server that has a member of etcd.
is_member() { [ "$ROLE" = server ] && [ -d "$SERVER_DATA/db/etcd/member" ]; }

unit() { if [ "$ROLE" = server ]; then echo k3s; else echo k3s-agent; fi; }
