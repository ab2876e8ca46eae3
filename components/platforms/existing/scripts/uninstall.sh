# shellcheck shell=sh disable=SC2154
# Takes k3s off the host by its own uninstaller, and what the steps put beside it. Comes after claim.sh.

uninstall_k3s() {
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
    # The release's files, and the password by which a cluster knew the node.
    rm -rf "$STORE" /etc/rancher/node
    if [ -d /etc/rancher ]; then rmdir --ignore-fail-on-non-empty /etc/rancher; fi
    # What features.sh wrote beside the packages, which stay.
    rm -f /etc/modules-load.d/k3s-iscsi.conf /etc/multipath/conf.d/k3s-iscsi.conf
    if [ -d /etc/multipath/conf.d ]; then rmdir --ignore-fail-on-non-empty /etc/multipath/conf.d; fi
    # Folders that its kubelet and its pods' network made, once they are empty.
    for folder in /usr/libexec/kubernetes /var/lib/cni; do
        if [ -d "$folder" ]; then find "$folder" -depth -type d -empty -delete; fi
    done
}
