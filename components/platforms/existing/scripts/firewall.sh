# shellcheck shell=sh disable=SC2154
# An nftables table of the cluster's own, put there now and at every start of the host. Other tables
# are neither read nor changed. Comes after claim.sh.

FILE=$FOLDER/$TABLE.nft
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

# Old and new rules change places at one stroke, and wrong ones are found before.
load_firewall() {
    nft=$(command -v nft) ||
        fail "no nft — k3s's ports are closed by an nftables table — install it: apt-get install -y nftables" \
            "(dnf, zypper: the same name), then run up again"
    printf '%s\n' "$RULES" >"$FILE.new"
    said=$(nft --check --file "$FILE.new" 2>&1) ||
        fail "nft does not take the table: $said — its kernel or nft may be too old (nft 1.0 or newer is needed)"
    mv -f "$FILE.new" "$FILE"
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
    if [ -e "$UNIT_FILE" ]; then
        systemctl disable --quiet --now "$UNIT"
    fi
    rm -f "$UNIT_FILE" "$OTHERS_FILE"
    if [ -d "$OTHERS" ]; then rmdir --ignore-fail-on-non-empty "$OTHERS"; fi
    systemctl daemon-reload
    if command -v nft >/dev/null && table_is_there; then nft delete table inet "$TABLE"; fi
    rm -f "$FILE" "$FILE.new"
}
