# shellcheck shell=sh disable=SC2034
# Shared by the scripts of this folder. It arrives before them on standard input, after assignments
# of NODE and STEP and of what each function names. Progress goes to standard error, a step's result
# to standard output. Secrets are only ever in variables and in files of mode 0600.
set -eu
umask 077

K3S=/usr/local/bin/k3s
CONFIG_FILE=/etc/rancher/k3s/config.yaml
IMAGES_FOLDER=/var/lib/rancher/k3s/agent/images

say() { printf '%s: %s: %s\n' "$NODE" "$STEP" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# wait_for SECONDS CONDITION: asks once a second; false once the time is over.
wait_for() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 1
    done
}

unit() { if [ "$ROLE" = server ]; then echo k3s; else echo k3s-agent; fi; }

# A full token in a log line would be a secret told: only its CA hash is shown.
journal_tail() {
    journalctl --unit "$(unit)" --lines 25 --no-pager --output cat 2>/dev/null |
        sed -E 's/(K10[0-9a-f]{64}::)[^" ]+/\1…/g' >&2
}

# Uses STORE, CHECKSUMS, BINARY, IMAGES, INSTALLER_SHA256.
verify_artifacts() {
    for file in "$BINARY" "$IMAGES"; do
        expected=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1 }' "$STORE/$CHECKSUMS")
        [ -n "$expected" ] || fail "$CHECKSUMS has no line for $file — the release is not whole — fetch it again"
        verify_file "$file" "$expected"
    done
    verify_file install.sh "$INSTALLER_SHA256"
}

# The digest of a file that has not changed since it was found right is not worked out again.
verify_file() {
    stamp="$2 $(stat -c '%s %Y %i' "$STORE/$1" 2>/dev/null)" || fail "$STORE/$1 is missing — upload or download did not end — run up again"
    [ "$stamp" != "$(cat "$STORE/.$1.verified" 2>/dev/null)" ] || return 0
    found=$(sha256sum "$STORE/$1" | cut -d ' ' -f 1)
    if [ "$found" != "$2" ]; then
        rm -f "$STORE/$1"
        fail "$1 has SHA-256 $found — expected is $2 — it was removed; check where it came from, then run up again"
    fi
    printf '%s\n' "$stamp" >"$STORE/.$1.verified"
}
