# shellcheck shell=sh disable=SC2154
# Prints the administrator's kubeconfig, as k3s wrote it.

main() { cat /etc/rancher/k3s/k3s.yaml; }

main "$@" </dev/null
