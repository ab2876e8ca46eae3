# shellcheck shell=sh disable=SC2154
# Runs HAProxy in front of a cluster's servers, as a unit of its own: a HAProxy that the host's owner
# runs is not touched. Comes after features.sh. Uses HAPROXY_CONFIG, the text of haproxy.cfg.

UNIT=k3s-registration.service
UNIT_FILE=/etc/systemd/system/$UNIT
FOLDER=/etc/k3s-registration

# Nothing of it needs a privilege: the port is above 1024, and it keeps no files.
unit_file() {
    cat <<END
[Unit]
Description=Registration address of a k3s cluster (HAProxy)
Documentation=man:haproxy(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart=$(command -v haproxy) -Ws -f $FOLDER/haproxy.cfg
ExecReload=$(command -v haproxy) -c -q -f $FOLDER/haproxy.cfg
ExecReload=/bin/kill -USR2 \$MAINPID
KillMode=mixed
Restart=always
RestartSec=1s
SuccessExitStatus=143
DynamicUser=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
END
}

# write FILE: standard input becomes it; true if it was not the same already.
write() {
    cat >"$1.new"
    chmod 0644 "$1.new"
    if cmp -s "$1.new" "$1"; then
        rm -f "$1.new"
        return 1
    fi
    mv -f "$1.new" "$1"
}

active() { systemctl is-active --quiet "$UNIT"; }

listens() { ss -Hltn 'sport = :6443' | grep -q .; }

last_words() { journalctl --unit "$UNIT" --lines 15 --no-pager --output cat >&2 2>/dev/null || true; }

create() {
    if ! command -v haproxy >/dev/null 2>&1; then
        provide_features
        # The package's own, which nobody has asked for.
        systemctl disable --now --quiet haproxy.service 2>/dev/null || true
    fi
    active || ! listens ||
        fail "port 6443 is taken — the registration address listens there — stop what uses it, or name another host"
    mkdir -p "$FOLDER"
    chmod 0755 "$FOLDER"
    if unit_file | write "$UNIT_FILE"; then
        systemctl daemon-reload
        new_unit=yes
    fi
    if printf '%s\n' "$HAPROXY_CONFIG" | write "$FOLDER/haproxy.cfg"; then new_config=yes; fi
    told=$(haproxy -c -q -f "$FOLDER/haproxy.cfg" 2>&1) || fail "haproxy refuses its configuration: $told"
    run
    say "answers on port 6443"
}

run() {
    systemctl reset-failed "$UNIT" 2>/dev/null || true
    if ! active || [ -n "${new_unit-}" ]; then
        set -- restart
    elif [ -n "${new_config-}" ]; then
        set -- reload
    else
        return 0
    fi
    if ! timeout 60 systemctl "$1" "$UNIT" || ! wait_for 10 listens; then
        last_words
        fail "HAProxy does not start — its last words are above — mend the cause, then run up again"
    fi
    systemctl enable --quiet "$UNIT"
}

delete() {
    systemctl disable --now --quiet "$UNIT" 2>/dev/null || true
    rm -rf "$FOLDER" "$UNIT_FILE"
    systemctl daemon-reload
    say "the registration address is gone"
}

main() {
    case $1 in
        create) create ;;
        delete) delete ;;
    esac
}

main "$@" </dev/null
