# shellcheck shell=sh
# What the scripts of the local platform share: it comes before network.sh or node.sh on standard input.
set -eu

# Where iptables, nft, sysctl and ip are, which a user's PATH may not have.
PATH=$PATH:/usr/sbin:/sbin
export PATH

# Label of everything that a stack makes in Podman; its value is NETWORK.
OWNER_LABEL=io.k3s-pulumi.stack
STOP_SECONDS=5
CGROUP_SECONDS=30

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Rootful: as root directly, else through sudo, which must not ask (nobody is there to answer).
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

rootful_podman() { as_root podman "$@"; }

check_podman() {
    command -v podman >/dev/null ||
        fail "podman: not installed — the nodes of this stack are containers —" \
            "run: sudo apt-get install -y podman"
    [ "$(id -u)" = 0 ] || sudo -n podman version >/dev/null 2>&1 ||
        fail "sudo podman: does not work without a password — nodes need rootful Podman, and nobody is" \
            "there to type one — run: sudo -v, then the same command again; or allow it (sudoers, NOPASSWD)"
}

# Without rights over the machine Podman does not fail, not even as root: it begins a rootless life of its
# own, without the image, networks and containers of anybody else.
check_rights() {
    said=$(rootful_podman info --format '{{.Host.Security.Rootless}}' 2>&1) || true
    [ "$said" = false ] ||
        fail "podman: nodes on this machine need it as root, and it does not work with root's rights here:" \
            "$(printf '%s\n' "$said" | tail -n 1) — run this as root of the machine itself, or in a container" \
            "that is privileged"
}

# owner_of KIND NAME: the NETWORK of the stack that made a container, network or volume; else nothing.
owner_of() {
    labels=.Labels
    if [ "$1" = container ]; then labels=.Config.Labels; fi
    rootful_podman "$1" inspect --format "{{index $labels \"$OWNER_LABEL\"}}" "$2" | sed 's/^<no value>$//'
}

cgroup_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }

# remove_container NAME: stops it as a machine is shut down, but for some seconds only, and removes it.
remove_container() {
    id=$(rootful_podman container inspect --format '{{.Id}}' "$1")
    rootful_podman stop --time "$STOP_SECONDS" "$1" >/dev/null
    rootful_podman rm --force "$1" >/dev/null
    if cgroup_v2; then return; fi
    deadline=$(($(date +%s) + CGROUP_SECONDS))
    until cgroups_are_gone "$id"; do
        [ "$(date +%s)" -lt "$deadline" ] ||
            fail "$1: removed, and after $CGROUP_SECONDS s something still runs in $found — see its cgroup.procs," \
                "then run it again"
        sleep 0.1
    done
}

# Containers inside a node may have left cgroups of their own below the node's, and each goes only when
# its last process has.
cgroups_are_gone() {
    for found in $(cgroups_of "$1"); do
        as_root find "$found" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    found=$(cgroups_of "$1")
    [ -z "$found" ]
}

cgroups_of() { find /sys/fs/cgroup -maxdepth 3 -type d -name "libpod-$1" 2>/dev/null || true; }

# Taken (-s: shared) by whoever starts a node, and alone (-x) by whoever restores the host, so that no stack
# takes the host's forwarding away from another that is just starting. It ends with the script; children
# that stay must not inherit it (9<&-). The file is one that every user can read and nobody has to make.
lock_host() {
    exec 9<"$(command -v podman)"
    flock -w 120 "$@" 9 ||
        fail "another stack on this machine has been changing its nodes for 120 s — run it again"
}
