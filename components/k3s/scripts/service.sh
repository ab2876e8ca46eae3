# shellcheck shell=sh disable=SC2154
# Puts k3s in place and runs it: what bootstrap and install have in common.
# Uses ROLE, CONFIG, POD_IPS and what verify_artifacts of release.sh uses. POD_IPS are the node's
# private addresses, which pods on different nodes speak over; empty where they do not.

# What is read at a node's first registration alone; k3s reads it after config.yaml.
LABELS_FILE=$CONFIG_FILE.d/labels.yaml
# k3s has to start anew to follow what was written: also in the next run, when this one is cut off.
# A machine that boots starts it anyway, and empties the folder.
PENDING=/run/k3s-pulumi/restart

is_pending() { [ -e "$PENDING" ]; }

set_pending() {
    mkdir -p "$(dirname "$PENDING")"
    : >"$PENDING"
}

# Different steps put k3s in place: none of them while one of an earlier run, which was killed, still
# does. Held as long as the script runs.
take_k3s() {
    mkdir -p "$(dirname "$PENDING")"
    exec 6>/run/k3s-pulumi/k3s.lock
    flock -w "$TURN_SECONDS" 6 ||
        fail "what an earlier run does to k3s here has not ended after $TURN_SECONDS s — see which: fuser -v /run/k3s-pulumi/k3s.lock"
}

# A node that has been in its cluster, as far as k3s got with it.
has_joined() { is_member || { [ "$ROLE" = agent ] && [ -s "$CONFIG_FILE" ]; }; }

# place SOURCE TARGET MODE
place() {
    if cmp -s "$1" "$2"; then return 0; fi
    set_pending
    mkdir -p "$(dirname "$2")"
    install -m "$3" "$1" "$2.new"
    mv -f "$2.new" "$2"
}

# What makes the difference between a first member and the same member later on is not read any more
# once the datastore is there: how it began or joined.
effective() {
    if is_member; then
        sed -e '/^cluster-init:/d' -e '/^server:/d' -e 's/^token: .*:/token: /'
    else
        cat
    fi
}

# The one interface that has all of POD_IPS. Flannel would take that of the default route, which on
# many a machine leads to the internet (https://github.com/k3s-io/k3s/issues/12056).
pod_interface() {
    found=''
    for address in $POD_IPS; do
        name=$(ip -o address show to "$address" | awk 'NR == 1 { print $2 }')
        [ -n "$name" ] ||
            fail "no interface has $address — it is this node's private address by the settings — write the one that it has"
        # IPv4 on one and IPv6 on another: flannel takes one alone, and then that of the default route.
        [ "${found:-$name}" = "$name" ] || return 0
        found=$name
    done
    [ -z "$found" ] || printf 'flannel-iface: %s\n' "$found"
}

write_config() {
    interface=$(pod_interface) || exit 1
    whole=$(printf '%s\n%s\n' "$CONFIG" "$interface")
    old=$(effective 2>/dev/null <"$CONFIG_FILE" || true)
    new=$(printf '%s\n' "$whole" | effective)
    [ "$old" = "$new" ] || set_pending
    printf '%s\n' "$whole" | write_whole "$CONFIG_FILE"
}

# write_whole FILE: what it reads, at once or not at all.
write_whole() {
    mkdir -p "$(dirname "$1")"
    cat >"$1.new"
    mv -f "$1.new" "$1"
}

# Uses LABELS_CONFIG.
write_labels() {
    if [ -z "$LABELS_CONFIG" ]; then
        rm -f "$LABELS_FILE"
    else
        printf '%s\n' "$LABELS_CONFIG" | write_whole "$LABELS_FILE"
    fi
}

# k3s encrypts Secrets from a cluster's first start on, or never: it would not start, or leave what is
# there as it is (https://docs.k3s.io/security/secrets-encryption).
check_encryption() {
    is_member || return 0
    if [ -s "$SERVER_DATA/cred/encryption-config.json" ]; then found=true; else found=false; fi
    if printf '%s\n' "$CONFIG" | grep -qxF 'secrets-encryption: true'; then asked=true; else asked=false; fi
    [ "$found" = "$asked" ] || fail "k3s.secretsEncryption is $asked, and this cluster was made with $found \
— k3s encrypts Secrets from the first start on, or never — write secretsEncryption: $found, or make a new cluster"
}

run_installer() {
    # Its umask: the installer writes units and links that every user may read.
    log=$(umask 022 && INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true \
        sh "$STORE/install.sh" "$ROLE" 2>&1) || {
        printf '%s\n' "$log" >&2
        fail "k3s's installer failed — see its words above"
    }
}

unit_text() { cat "/etc/systemd/system/$(unit).service" 2>/dev/null || true; }

is_active() { systemctl is-active --quiet "$(unit)"; }

# Beside a cloud's controller an agent tells systemd that it is ready only when the controller has
# met its node, and that comes later: until then it is enough that its kubelet answers
# (https://github.com/k3s-io/k3s-ansible/issues/449).
runs() { is_active || { waits_for_cloud && kubelet_answers; }; }

waits_for_cloud() {
    [ "$ROLE" = agent ] && printf '%s\n' "$CONFIG" | grep -qxF -e '- cloud-provider=external' &&
        [ "$(systemctl show --property ActiveState --value "$(unit)")" = activating ]
}

# k3s may say that it is ready, and end with its kubelet a moment later.
wait_for_kubelet() {
    if ! wait_closely_for 120 kubelet_answers_or_fails || ! kubelet_answers; then
        journal_tail
        fail "k3s runs, and its kubelet does not — k3s's last words are above — mend the cause, then run up again"
    fi
}

kubelet_answers_or_fails() { kubelet_answers || has_failed; }

kubelet_answers() { ss -Hltn 'sport = :10250' 2>/dev/null | grep -q .; }

# Over when k3s has said that it is ready, when it has learnt that the others removed it, or when
# systemd has seen it end three times.
has_started_or_fails() { { is_anew && runs; } || was_removed || has_failed; }

has_failed() { [ "$(systemctl show --property NRestarts --value "$(unit)")" -ge 3 ]; }

invocation() { systemctl show --property InvocationID --value "$(unit)"; }

# For a moment after it was told to restart, a unit is active as it was before.
is_anew() { [ -z "$invocation_before" ] || [ "$(invocation)" != "$invocation_before" ]; }

begin_and_wait() {
    invocation_before=''
    if [ "$1" = restart ]; then invocation_before=$(invocation); fi
    systemctl reset-failed "$(unit)" 2>/dev/null || true
    systemctl "$1" --no-block "$(unit)"
    wait_closely_for 420 has_started_or_fails || true
}

start() {
    say "$1s k3s"
    begin_and_wait "$1"
    if was_removed; then
        take_back
        check_registration
        begin_and_wait start
    fi
    if ! runs; then
        journal_tail
        fail "k3s does not start — its last words are above — mend the cause, then run up again"
    fi
}

put_in_place() {
    take_back
    check_encryption
    verify_artifacts
    unit_before=$(unit_text)
    place "$STORE/$BINARY" "$K3S" 0755
    place "$STORE/$IMAGES" "$IMAGES_FOLDER/$IMAGES" 0644
    write_config
    run_installer
    [ "$(unit_text)" = "$unit_before" ] || set_pending
}

run() {
    if is_pending && runs; then
        start restart
    elif ! runs; then
        check_registration
        start start
    fi
    if [ "$ROLE" = server ]; then
        wait_closely_for 120 api_is_ready || {
            journal_tail
            fail "the API is not ready after 120 s — k3s's last words are above"
        }
    fi
    rm -f "$PENDING"
}

put_in_place_and_run() {
    take_k3s
    write_labels
    put_in_place
    run
}

api_is_ready() { "$K3S" kubectl get --raw /readyz >/dev/null 2>&1; }

# What is said again and again is said once, and of gRPC's tries nothing: else k3s's last words would
# be the same 25 times. A full token in a log line would be a secret told: only its hash is shown.
journal_tail() {
    journalctl --unit "$(unit)" --lines 5000 --no-pager --output cat 2>/dev/null | up_to_its_end |
        awk '/\] \[core\] / { next } { words = $0; gsub(/[0-9]+/, "", words) } words != last; { last = words }' |
        tail -n 25 | sed -E 's/(K10[0-9a-f]{64}::)[^" ]+/\1…/g' >&2
}

# Of a unit that systemd starts again and again it tells how it ended last, not how far it has come
# since.
up_to_its_end() {
    if [ "$(systemctl show --property NRestarts --value "$(unit)")" = 0 ]; then
        cat
    else
        awk '{ lines[NR] = $0 }
            /: Main process exited, / { end = NR }
            END { for (n = 1; n <= (end ? end : NR); n++) print lines[n] }'
    fi
}
