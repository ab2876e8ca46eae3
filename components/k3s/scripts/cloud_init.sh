# shellcheck shell=sh disable=SC2154
# A cloud's machine answers while cloud-init still sets it up: prepare waits for the end of that.
# Uses CLOUD_INIT (empty: nobody sets this machine up) and FIRST_BOOT_UNIT.

CLOUD_INIT_SECONDS=600

wait_for_cloud_init() {
    [ -n "$CLOUD_INIT" ] || return 0
    command -v cloud-init >/dev/null 2>&1 ||
        fail "no cloud-init — the stack's user data is carried out by it — use an image that has it"
    code=0
    timeout "$CLOUD_INIT_SECONDS" cloud-init status --wait >/dev/null 2>&1 || code=$?
    [ "$code" -ne 124 ] ||
        fail "cloud-init has not ended after $CLOUD_INIT_SECONDS s — see cloud-init status --long"
    # What k3s needs is checked next: a mistake elsewhere is told, and ends nothing.
    cloud_init_mistakes | sed "s/^/$NODE: $STEP: cloud-init: /" >&2
    tell_of_first_boot
}

# Those that cloud-init counts as errors, and its warnings, which old versions only write down.
cloud_init_mistakes() {
    if [ "$code" -ne 0 ]; then cloud-init status --long 2>/dev/null || true; fi
    # A warning may quote what it is about.
    sed -n '/-----BEGIN/d; s/^.*\[WARNING\]: //p' /var/log/cloud-init.log 2>/dev/null | sort -u | tail -n 10
}

tell_of_first_boot() {
    systemctl is-failed --quiet "$FIRST_BOOT_UNIT" || return 0
    say "what it began at boot has failed:"
    journalctl --unit "$FIRST_BOOT_UNIT" --lines 5 --no-pager --output cat >&2
    systemctl reset-failed "$FIRST_BOOT_UNIT"
}
