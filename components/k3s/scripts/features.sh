# shellcheck shell=sh disable=SC2154
# What add-ons need of a machine beside k3s: programs, from its distribution's packages, and what they
# need of its kernel. What is there already is left as it is; packages stay when the add-on goes.
# Uses FEATURES, words: iscsi (volumes over iSCSI), nfs (volumes over NFS 4), haproxy.
# Sources: https://longhorn.io/docs/1.12.1/deploy/install/#installation-requirements and
# https://longhorn.io/kb/troubleshooting-volume-with-multipath/.

LOCK_TIMEOUT=300
PACKAGES_SECONDS=900
ISCSI_MODULE=/etc/modules-load.d/k3s-iscsi.conf
ISCSI_MULTIPATH=/etc/multipath/conf.d/k3s-iscsi.conf

program_of() {
    case $1 in
        iscsi) echo iscsiadm ;;
        nfs) echo mount.nfs4 ;;
        haproxy) echo haproxy ;;
    esac
}

# package_of FEATURE MANAGER
package_of() {
    case $1:$2 in
        iscsi:dnf) echo iscsi-initiator-utils ;;
        iscsi:*) echo open-iscsi ;;
        nfs:apt-get) echo nfs-common ;;
        nfs:dnf) echo nfs-utils ;;
        nfs:zypper) echo nfs-client ;;
        haproxy:*) echo haproxy ;;
    esac
}

package_manager() {
    for name in apt-get dnf zypper; do
        if command -v "$name" >/dev/null 2>&1; then
            echo "$name"
            return 0
        fi
    done
}

missing_features() {
    for feature in $FEATURES; do
        command -v "$(program_of "$feature")" >/dev/null 2>&1 || echo "$feature"
    done | paste -sd ' ' -
}

bounded() { timeout -k 10 "$PACKAGES_SECONDS" "$@"; }

apt_get() {
    # Files that the owner has changed stay; needrestart would restart what runs on the node.
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C bounded apt-get --yes --quiet \
        --option "DPkg::Lock::Timeout=$LOCK_TIMEOUT" --option Dpkg::Options::=--force-confdef \
        --option Dpkg::Options::=--force-confold "$@"
}

# The lists have a lock of their own, which apt-get does not wait for: a fresh machine fetches them
# by itself. Whether lists that are not all there are good enough, the installation shows.
lists_fetched() {
    fetched=$(apt_get update 2>&1) && return 0
    case $fetched in *'Could not get lock'*) return 1 ;; esac
    printf '%s\n' "$fetched"
}

# install_packages MANAGER PACKAGE...: prints what the manager said.
install_packages() {
    manager=$1
    shift
    case $manager in
        apt-get)
            wait_for "$LOCK_TIMEOUT" lists_fetched || printf '%s\n' "$fetched"
            apt_get install --no-install-recommends "$@"
            ;;
        dnf) bounded dnf install --assumeyes --setopt=install_weak_deps=False "$@" ;;
        zypper) ZYPP_LOCK_TIMEOUT=$LOCK_TIMEOUT bounded zypper --non-interactive install --no-recommends "$@" ;;
    esac
}

# An NFS client's package brings rpcbind along, which listens on port 111 of every address, and which
# NFS 4 has no use for. Where there is one already, it is the owner's.
keep_rpcbind_off() {
    if command -v rpcbind >/dev/null 2>&1; then return 0; fi
    said=$(systemctl mask rpcbind.service rpcbind.socket 2>&1) || fail "rpcbind cannot be kept off — $said"
}

# Words by a function of each feature's name: named FUNCTION FEATURES [ARGUMENT].
named() { for feature in $2; do "$1" "$feature" "${3-}"; done | paste -sd ' ' -; }

install_missing() {
    missing=$(missing_features)
    [ -n "$missing" ] || return 0
    manager=$(package_manager)
    [ -n "$manager" ] || fail "no $(named program_of "$missing"), which add-ons need, and neither apt-get, dnf nor \
zypper to install them with — install them on this machine"
    packages=$(named package_of "$missing" "$manager")
    case " $missing " in *' nfs '*) keep_rpcbind_off ;; esac
    say "installs $packages"
    # shellcheck disable=SC2086 # each is a word
    said=$(install_packages "$manager" $packages 2>&1) || {
        printf '%s\n' "$said" | tail -n 15 >&2
        fail "$packages cannot be installed — $manager's last words are above — install it on this machine, or have it in its image"
    }
    missing=$(missing_features)
    [ -z "$missing" ] || fail "$packages: installed, and there is still no $(named program_of "$missing")"
}

write_for_all() { (umask 022 && mkdir -p "${1%/*}" && cat >"$1"); }

is_container() { systemd-detect-virt --quiet --container; }

# iSCSI in the kernel knows the machine's own network alone, and no container's.
provide_iscsi() {
    if is_container; then
        say "a container: no volume over iSCSI can be attached here"
        return 0
    fi
    modprobe iscsi_tcp ||
        fail "the kernel has no iscsi_tcp — volumes over iSCSI need it — install the kernel's extra modules"
    echo iscsi_tcp | write_for_all "$ISCSI_MODULE"
    keep_multipath_off
    systemctl enable --quiet --now iscsid.service ||
        fail "iscsid does not start — see its journal: journalctl --unit iscsid"
}

# It would take each volume for a disk with several ways to it, and hold on to it.
keep_multipath_off() {
    command -v multipathd >/dev/null 2>&1 || return 0
    [ ! -e "$ISCSI_MULTIPATH" ] || return 0
    printf 'blacklist {\n    device {\n        vendor "IET"\n        product "VIRTUAL-DISK"\n    }\n}\n' |
        write_for_all "$ISCSI_MULTIPATH"
    if systemctl is-active --quiet multipathd.service; then systemctl reload multipathd.service; fi
}

provide_features() {
    [ -n "$FEATURES" ] || return 0
    install_missing
    case " $FEATURES " in *' iscsi '*) provide_iscsi ;; esac
}
