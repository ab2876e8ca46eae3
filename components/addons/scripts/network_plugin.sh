# shellcheck shell=sh disable=SC2154
# Before a network plugin is installed: which one connects the pods is noted in the cluster, and
# stays, as pods that run stay connected by what connected them.
# Uses PLUGIN.

NOTE=k3s-pulumi-network-plugin

kubectl() { "$K3S" kubectl --namespace kube-system "$@"; }

main() {
    noted=$(kubectl get configmap "$NOTE" --ignore-not-found --output 'jsonpath={.data.plugin}')
    if [ -z "$noted" ]; then
        kubectl create configmap "$NOTE" --from-literal "plugin=$PLUGIN" >/dev/null
        say "pods are to be connected by $PLUGIN"
    elif [ "$noted" != "$PLUGIN" ]; then
        fail "this cluster's pods are connected by $noted — those that run would be cut off by $PLUGIN — write plugin: $noted again, or make a new cluster"
    fi
}

main "$@" </dev/null
