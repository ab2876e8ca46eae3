# shellcheck shell=sh disable=SC2034,SC2154
# Run by a fresh machine itself while it boots, on what release.sh uses. When it fails, nothing else
# does: prepare tells why, and fetches what is missing.

NODE=$(uname -n)
STEP='first boot'

main() {
    mkdir -p "$STORE"
    fetch_release
    say "the release is in $STORE"
}

main "$@" </dev/null
