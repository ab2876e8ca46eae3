# shellcheck shell=sh disable=SC2154
# Before a network plugin is installed: which one connects the pods is noted in the cluster, and
# stays, as pods that run stay connected by what connected them.
# Uses PLUGIN.

main() {
    noted=$(noted_network_plugin)
    if [ -z "$noted" ]; then
        "$K3S" kubectl create configmap "$NETWORK_PLUGIN_NOTE" --namespace kube-system \
            --from-literal "plugin=$PLUGIN" >/dev/null
        say "pods are to be connected by $PLUGIN"
    elif [ "$noted" != "$PLUGIN" ]; then
        fail "this cluster's pods are connected by $noted — those that run would be cut off by $PLUGIN — write plugin: $noted again, or make a new cluster"
    fi
}

main "$@" </dev/null
