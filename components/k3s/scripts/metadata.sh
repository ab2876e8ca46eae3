# shellcheck shell=sh disable=SC2154
# Pods kept from the addresses where a cloud tells the machine's secrets: packets that the machine
# passes on for others are dropped, its own are not. A unit loads the rules before k3s starts.
# Uses METADATA: addresses, one a line; empty where there are none.
#
# Two hooks: before anything else sees a packet, or a proxy on the machine could fetch for a pod;
# and where it is passed on, as a Service may have turned it to such an address in between.

# Not k3s-…: k3s's uninstaller stays for the sake of any other unit of such a name.
GUARD=metadata-guard
GUARD_FOLDER=/etc/metadata-guard
GUARD_UNIT=/etc/systemd/system/$GUARD.service

guard_metadata() {
    if [ -z "$METADATA" ]; then
        remove_guard
        return 0
    fi
    mkdir -p "$GUARD_FOLDER"
    if command -v nft >/dev/null 2>&1; then
        with_nft
    elif command -v iptables-restore >/dev/null 2>&1 && command -v ip6tables-restore >/dev/null 2>&1; then
        with_iptables
    else
        fail "neither nft nor iptables — pods are kept from the metadata address by them — install nftables"
    fi
    guard_unit >"$GUARD_UNIT.new"
    chmod 0644 "$GUARD_UNIT.new"
    mv -f "$GUARD_UNIT.new" "$GUARD_UNIT"
    systemctl daemon-reload
    systemctl --quiet enable "$GUARD"
    # Reloaded, not restarted: k3s requires it, and would be stopped with it.
    systemctl reload-or-restart "$GUARD" || {
        journalctl --unit "$GUARD" --lines 10 --no-pager --output cat >&2
        fail "pods cannot be kept from the metadata address — the reason is above — the kernel needs nf_tables"
    }
}

remove_guard() {
    [ -e "$GUARD_UNIT" ] || return 0
    # First what makes k3s depend on it, or k3s would be stopped as well.
    systemctl --quiet disable "$GUARD"
    systemctl daemon-reload
    systemctl stop "$GUARD"
    rm -rf "$GUARD_UNIT" "$GUARD_FOLDER"
    systemctl daemon-reload
}

# Loads anew are whole or not at all: there is no moment without rules.
with_nft() {
    {
        printf 'add table inet metadata_guard\ndelete table inet metadata_guard\ntable inet metadata_guard {\n'
        nft_chain early prerouting -300
        nft_chain passed_on forward 0
        printf '}\n'
    } >"$GUARD_FOLDER/rules.nft"
    printf 'exec nft -f %s\n' "$GUARD_FOLDER/rules.nft" >"$GUARD_FOLDER/load"
    printf 'exec nft delete table inet metadata_guard\n' >"$GUARD_FOLDER/unload"
}

# nft_chain NAME HOOK PRIORITY
nft_chain() {
    printf '  chain %s {\n    type filter hook %s priority %s; policy accept;\n' "$@"
    for address in $METADATA; do
        printf '    %s daddr %s counter drop\n' "$(family_of "$address" ip ip6)" "$address"
    done
    printf '  }\n'
}

# family_of ADDRESS IPV4 IPV6: one of the two words.
family_of() { case $1 in *:*) echo "$3" ;; *) echo "$2" ;; esac; }

# A chain of our own in raw and mangle, where nobody else's rules let a packet through before.
with_iptables() {
    : >"$GUARD_FOLDER/load"
    : >"$GUARD_FOLDER/unload"
    for tool in iptables ip6tables; do
        addresses=$(for a in $METADATA; do [ "$(family_of "$a" iptables ip6tables)" != "$tool" ] || echo "$a"; done)
        [ -n "$addresses" ] || continue
        {
            iptables_table raw
            iptables_table mangle
        } >"$GUARD_FOLDER/$tool.rules"
        iptables_load "$tool" >>"$GUARD_FOLDER/load"
        iptables_unload "$tool" >>"$GUARD_FOLDER/unload"
    done
}

iptables_table() {
    printf '*%s\n:METADATA-GUARD - [0:0]\n' "$1"
    for address in $addresses; do printf -- '-A METADATA-GUARD -d %s -j DROP\n' "$address"; done
    printf 'COMMIT\n'
}

iptables_load() {
    printf '%s-restore -w --noflush <%s || exit 1\n' "$1" "$GUARD_FOLDER/$1.rules"
    for chain in 'raw PREROUTING' 'mangle FORWARD'; do
        jump="${chain#* } -j METADATA-GUARD"
        printf '%s -w -t %s -C %s 2>/dev/null || %s -w -t %s -I %s || exit 1\n' \
            "$1" "${chain% *}" "$jump" "$1" "${chain% *}" "$jump"
    done
}

iptables_unload() {
    for chain in 'raw PREROUTING' 'mangle FORWARD'; do
        printf '%s -w -t %s -D %s -j METADATA-GUARD\n' "$1" "${chain% *}" "${chain#* }"
        printf '%s -w -t %s -F METADATA-GUARD\n' "$1" "${chain% *}"
        printf '%s -w -t %s -X METADATA-GUARD\n' "$1" "${chain% *}"
    done
}

guard_unit() {
    cat <<END
[Unit]
Description=Pods kept from the cloud's metadata address
After=nftables.service
Before=k3s.service k3s-agent.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $GUARD_FOLDER/load
ExecReload=/bin/sh $GUARD_FOLDER/load
ExecStop=/bin/sh $GUARD_FOLDER/unload

[Install]
WantedBy=multi-user.target
RequiredBy=k3s.service k3s-agent.service
END
}
