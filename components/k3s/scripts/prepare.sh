# shellcheck shell=sh disable=SC2154
# Is this machine fit to be a node? Then pods are kept from the cloud's metadata, and the release's
# files are fetched, or room made for an upload.
# Uses ROLE, ARCH, BACKEND (flannel's), VERSION, UPLOADER, BASE_URL (empty: the files are uploaded),
# and what cloud_init.sh, features.sh, metadata.sh, release.sh and requirements.sh use.

PROBLEMS=''

problem() { PROBLEMS="$PROBLEMS
  $*"; }

check_system() {
    command -v systemctl >/dev/null 2>&1 ||
        problem "no systemctl — k3s is run by systemd — use a distribution with systemd"
    case $(uname -m) in
        x86_64) found=amd64 ;;
        aarch64) found=arm64 ;;
        *) found=$(uname -m) ;;
    esac
    [ "$found" = "$ARCH" ] ||
        problem "architecture $found — the release's files are for $ARCH — use a machine of that kind"
    case $(uname -n) in
        '' | localhost | localhost.*)
            problem "host name '$(uname -n)' — nodes are told apart by it — set one with hostnamectl" ;;
    esac
    # A clock far in the past finds no certificate valid yet. 1767225600 is 2026-01-01.
    [ "$(date +%s)" -ge 1767225600 ] ||
        problem "the clock says $(date -u +%F) — certificates would not be valid yet — set the time"
}

check_kernel() {
    for module in overlay br_netfilter vxlan; do
        modprobe "$module" 2>/dev/null || true
    done
    grep -qw overlay /proc/filesystems ||
        problem "the kernel has no overlayfs — containers stand on it — use a kernel that has it"
    [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ||
        problem "the kernel has no br_netfilter — Services need it — install the kernel's extra modules"
    if [ "$BACKEND" = wireguard-native ]; then check_wireguard; fi
    for controller in cpu memory pids; do
        has_controller "$controller" ||
            problem "cgroup controller $controller is off — the kubelet needs it — boot with cgroup_enable=$controller"
    done
}

# Asked for a link as flannel will ask: it may be a module, or in the kernel and nowhere to be seen.
check_wireguard() {
    ip link del k3s-wg-check 2>/dev/null || true # of a run that was cut off
    if ip link add k3s-wg-check type wireguard 2>/dev/null; then
        ip link del k3s-wg-check
    else
        problem "the kernel has no WireGuard — flannel's wireguard-native needs it — use a kernel from 5.6 on, or install its module"
    fi
}

has_controller() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        grep -qw "$1" /sys/fs/cgroup/cgroup.controllers
    else
        awk -v name="$1" '$1 == name && $4 == 1 { found = 1 } END { exit !found }' /proc/cgroups
    fi
}

# k3s's own ports may be taken by k3s itself, when a node is prepared again: also by one that starts,
# fails and starts again, which the steps after this one are to mend.
check_ports() {
    ports=10250
    [ "$ROLE" = agent ] || ports='6443 2379 2380 10250'
    case $(systemctl is-active "$(unit)") in active | activating | deactivating) return 0 ;; esac
    for port in $ports; do
        if ss -Hltn "sport = :$port" 2>/dev/null | grep -q .; then
            problem "port $port is taken — k3s listens there — stop what uses it"
        fi
    done
}

main() {
    wait_for_cloud_init
    check_system
    check_requirements
    check_kernel
    check_ports
    check_version "$(running_version)" "$VERSION"
    [ -z "$PROBLEMS" ] || fail "this machine cannot be a node:$PROBLEMS"
    guard_metadata
    provide_features
    mkdir -p "$STORE"
    if [ -n "$BASE_URL" ]; then
        fetch_release
    else
        # The upload arrives as the SSH user, who is not root everywhere.
        chmod 0711 "$(dirname "$STORE")"
        chown "$UPLOADER" "$STORE"
    fi
    say "is fit to be a k3s $ROLE"
}

main "$@" </dev/null
