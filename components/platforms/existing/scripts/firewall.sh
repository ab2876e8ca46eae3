# shellcheck shell=sh disable=SC2154
# An nftables table of the cluster's own, put there now and at every start of the host. Other tables
# are neither read nor changed. Comes after claim.sh and turn.sh. Uses TABLE (its name), RULES (a text for nft) and
# TRIAL_SECONDS (how long new rules stay that nobody keeps).

FILE=$FOLDER/$TABLE.nft
# What is loaded, and not kept yet; and the timer that takes it back. A host that starts anew has
# forgotten both, and the rules with them.
TRIAL=$TURNS/$TABLE.nft
TAKE_BACK=take-back-$TABLE
# Not k3s-…: k3s's scripts take every unit whose name begins so for one of k3s's own, stop it, and
# then leave k3s installed for its sake.
UNIT=firewall-$TABLE.service
UNIT_FILE=/etc/systemd/system/$UNIT
# Debian's own service forgets all rules whenever it starts, stops or reloads: so it brings these back.
OTHERS=/etc/systemd/system/nftables.service.d
OTHERS_FILE=$OTHERS/$TABLE.conf

unit_text() {
    cat <<END
[Unit]
Description=Firewall of k3s cluster $CLUSTER
Documentation=man:nft(8)
# Who loads the host's own rules may begin with an order to forget all others: so this comes after.
After=nftables.service firewalld.service ufw.service
Before=network-pre.target k3s.service k3s-agent.service
Wants=network-pre.target
DefaultDependencies=no
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$nft -f $FILE

[Install]
WantedBy=sysinit.target
END
}

others_text() {
    cat <<END
# Made with $UNIT, and removed with it.
[Service]
ExecStartPost=-$nft -f $FILE
ExecReload=-$nft -f $FILE
ExecStopPost=-$nft -f $FILE
END
}

# write_unit FILE TEXT
write_unit() {
    [ -d "$(dirname "$1")" ] || mkdir -m 0755 "$(dirname "$1")"
    printf '%s\n' "$2" >"$1.new"
    chmod 0644 "$1.new"
    mv -f "$1.new" "$1"
}

find_nft() {
    nft=$(command -v nft) ||
        fail "no nft — k3s's ports are closed by an nftables table — install it: apt-get install -y nftables" \
            "(dnf, zypper: the same name), then run up again"
}

# are_rules FILE: those that are wanted.
are_rules() { printf '%s\n' "$RULES" | cmp -s - "$1"; }

is_kept() { [ ! -e "$TRIAL" ] && are_rules "$FILE"; }

# Old and new rules change places at one stroke, and wrong ones are found before. New ones go again by
# themselves, unless keep_firewall comes by a connection that they let in.
try_firewall() {
    find_nft
    if is_kept; then
        load_kept
        return 0
    fi
    printf '%s\n' "$RULES" >"$TRIAL.new"
    said=$(nft --check --file "$TRIAL.new" 2>&1) ||
        fail "nft does not take the table: $said — its kernel or nft may be too old (nft 1.0 or newer is needed)"
    stop_the_clock
    mv -f "$TRIAL.new" "$TRIAL"
    systemd-run --quiet --collect --unit "$TAKE_BACK" --on-active "${TRIAL_SECONDS}s" \
        --timer-property AccuracySec=1s /bin/sh -c "$(way_back)" ||
        fail "systemd-run failed, see above — it would take the firewall back, so that is not changed — mend the cause, then run up again"
    nft --file "$TRIAL"
}

# To the rules that were kept last, or to none.
way_back() {
    printf 'if [ -e %s ]; then %s -f %s; else %s delete table inet %s; fi; rm -f %s' \
        "$FILE" "$nft" "$FILE" "$nft" "$TABLE" "$TRIAL"
}

# Nothing to stop is fine.
stop_the_clock() { systemctl stop "$TAKE_BACK.timer" "$TAKE_BACK.service" 2>/dev/null || true; }

# By a connection that the rules on trial have let in.
keep_firewall() {
    find_nft
    stop_the_clock
    if [ -e "$TRIAL" ] && are_rules "$TRIAL"; then
        mv -f "$TRIAL" "$FILE"
    elif ! is_kept; then
        try_firewall
        fail "nobody came back over SSH within $TRIAL_SECONDS s of the firewall's change, so it was taken back;" \
            "it is loaded once more — run up again within $TRIAL_SECONDS s"
    fi
    load_kept
}

# Now, and at every start of the host.
load_kept() {
    write_unit "$UNIT_FILE" "$(unit_text)"
    write_unit "$OTHERS_FILE" "$(others_text)"
    systemctl daemon-reload
    systemctl enable --quiet "$UNIT"
    systemctl restart "$UNIT" || {
        journalctl --unit "$UNIT" --lines 10 --no-pager --output cat >&2
        fail "the table is not loaded — systemd's words are above — mend the cause, then run up again"
    }
    table_is_there || fail "the table is not there after $UNIT has started — does something else flush all rules?"
}

table_is_there() { nft list tables inet | grep -qxF "table inet $TABLE"; }

unload_firewall() {
    stop_the_clock
    if [ -e "$UNIT_FILE" ]; then
        systemctl disable --quiet --now "$UNIT"
    fi
    rm -f "$UNIT_FILE" "$OTHERS_FILE"
    if [ -d "$OTHERS" ]; then rmdir --ignore-fail-on-non-empty "$OTHERS"; fi
    systemctl daemon-reload
    if command -v nft >/dev/null && table_is_there; then nft delete table inet "$TABLE"; fi
    rm -f "$FILE" "$TRIAL"
}
