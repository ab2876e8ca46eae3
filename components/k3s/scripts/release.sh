# shellcheck shell=sh disable=SC2154
# A release's files on this machine: fetched, and checked each time before they are used.
# Uses STORE, CHECKSUMS, BINARY, IMAGES, INSTALLER_SHA256; to fetch, BASE_URL and INSTALLER_URL.

# Longer than a fetch at boot may take (FIRST_BOOT_SECONDS of cloudinit.py).
LOCK_SECONDS=930

fetch() {
    say "fetches $1"
    curl --fail --silent --show-error --location --proto '=https,http' --proto-redir '=https' \
        --connect-timeout 15 --retry 4 --retry-connrefused --max-time 600 \
        --output "$STORE/$2.part" "$1" ||
        fail "$1 — cannot be fetched — see the reason above, or set k3s.artifacts to a mirror or a folder"
    mv -f "$STORE/$2.part" "$STORE/$2"
}

# The lock is held until the script ends: a machine that boots may be fetching already.
lock_store() {
    exec 9>"$STORE/.lock"
    flock -n 9 && return 0
    say "waits for the fetch that runs already"
    flock -w "$LOCK_SECONDS" 9 ||
        fail "another fetch into $STORE has not ended after $LOCK_SECONDS s — see which: fuser -v $STORE/.lock"
}

fetch_release() {
    command -v curl >/dev/null 2>&1 || fail "no curl — the release is fetched with it — install curl"
    lock_store
    [ -f "$STORE/$CHECKSUMS" ] || fetch "$BASE_URL/$CHECKSUMS" "$CHECKSUMS"
    [ -f "$STORE/$BINARY" ] || fetch "$BASE_URL/$BINARY" "$BINARY"
    [ -f "$STORE/$IMAGES" ] || fetch "$BASE_URL/$IMAGES" "$IMAGES"
    [ -f "$STORE/install.sh" ] || fetch "$INSTALLER_URL" install.sh
    verify_artifacts
}

missing() {
    fail "$STORE/$1 is missing — upload or download did not end, or it was removed since — run up again; where that does not bring it back: replace: [$NODE]"
}

verify_artifacts() {
    [ -f "$STORE/$CHECKSUMS" ] || missing "$CHECKSUMS"
    for file in "$BINARY" "$IMAGES"; do
        expected=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1 }' "$STORE/$CHECKSUMS")
        if [ -z "$expected" ]; then
            rm -f "$STORE/$CHECKSUMS"
            fail "$CHECKSUMS has no line for $file — the release is not whole — it was removed; check where it came from, then run up again"
        fi
        verify_file "$file" "$expected"
    done
    verify_file install.sh "$INSTALLER_SHA256"
}

# The digest of a file that has not changed since it was found right is not worked out again.
verify_file() {
    stamp="$2 $(stat -c '%s %Y %i' "$STORE/$1" 2>/dev/null)" || missing "$1"
    [ "$stamp" != "$(cat "$STORE/.$1.verified" 2>/dev/null)" ] || return 0
    found=$(sha256sum "$STORE/$1" | cut -d ' ' -f 1)
    if [ "$found" != "$2" ]; then
        rm -f "$STORE/$1"
        fail "$1 has SHA-256 $found — expected is $2 — it was removed; check where it came from, then run up again"
    fi
    printf '%s\n' "$stamp" >"$STORE/.$1.verified"
}
