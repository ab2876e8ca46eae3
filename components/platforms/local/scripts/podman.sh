# shellcheck shell=sh
# What the scripts of the local platform share. It comes before network.sh, node.sh on standard input.
set -eu

# Where iptables, nft, sysctl and ip are, which a user's PATH may not have.
PATH=$PATH:/usr/sbin:/sbin
export PATH

# Label of everything that a stack makes in Podman; its value is NETWORK.
OWNER_LABEL=io.k3s-pulumi.stack

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
    rootful_podman version >/dev/null 2>&1 ||
        fail "sudo podman: does not work without a password — nodes need rootful Podman, and nobody is" \
            "there to type one — run: sudo -v, then the same command again; or allow it in sudoers (NOPASSWD)"
}

# owner_of KIND NAME: the NETWORK of the stack that made a container, network or volume; else nothing.
owner_of() {
    labels=.Labels
    if [ "$1" = container ]; then labels=.Config.Labels; fi
    rootful_podman "$1" inspect --format "{{index $labels \"$OWNER_LABEL\"}}" "$2" | sed 's/^<no value>$//'
}

# Taken (-s: shared) by whoever starts a node, and alone by whoever restores the host, so that no stack takes
# the host's forwarding away from another that is just starting. It ends with the script; children must not
# inherit it (9<&-). The file is one that every user can read and that nobody has to make.
lock_host() {
    exec 9<"$(command -v podman)"
    flock -w 120 "$@" 9 || fail "another stack on this machine has been changing its nodes for 120 s — run it again"
}
