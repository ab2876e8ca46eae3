# shellcheck shell=sh disable=SC2154
# Whether the user whom the steps log in as may become root, which they do before anything else: sudo's
# own refusal would not say what to do. Runs as that user. Uses NODE.
set -eu

fail() {
    printf '%s: sudo: %s\n' "$NODE" "$*" >&2
    exit 1
}

main() {
    user=$(id -un)
    if [ "$(id -u)" = 0 ]; then return 0; fi
    command -v sudo >/dev/null 2>&1 ||
        fail "$user is not root, and there is no sudo — steps need root on this host — install sudo, or write" \
            "another user for this host"
    # timeout is what every step begins with.
    said=$(sudo -n timeout 10 true 2>&1) ||
        fail "$user does not become root without a password: $said — steps need root on this host, and nobody" \
            "is there to type one — as root on it: echo '$user ALL=(ALL) NOPASSWD: ALL'" \
            ">/etc/sudoers.d/$user, or write another user for this host"
}

main "$@" </dev/null
