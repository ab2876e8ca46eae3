#!/bin/sh
# Installs the lab's k3s as a systemd service. It keeps the contract of the official installer
# (https://docs.k3s.io/reference/env-variables) for installs without a download:
#
#   INSTALL_K3S_SKIP_DOWNLOAD=true   required: <bin dir>/k3s is there already; this installer downloads nothing
#   INSTALL_K3S_EXEC                 subcommand and flags; arguments of this script are added to it
#   INSTALL_K3S_SKIP_ENABLE=true     writes the unit and does not enable it
#   INSTALL_K3S_SKIP_START=true      enables the unit and does not start it
#   INSTALL_K3S_FORCE_RESTART=true   starts the service even if nothing changed
#   INSTALL_K3S_BIN_DIR              /usr/local/bin unless set
#   INSTALL_K3S_SYSTEMD_DIR          /etc/systemd/system unless set
#   INSTALL_K3S_NAME                 service k3s-<name>; else k3s for servers, k3s-agent for agents
#   INSTALL_K3S_TYPE                 Type= of the unit, notify unless set
#   INSTALL_K3S_SYMLINK=skip|force   whether kubectl and ctr are linked to k3s
#   INSTALL_K3S_VERSION              not read, as in the official installer when nothing is downloaded
#   K3S_*                            written to the unit's environment file (0600)
#
# Without a subcommand it is an agent when K3S_URL is set, a server otherwise.
set -eu

info() { echo "[INFO]  $*"; }
fatal() { echo "[ERROR]  $*" >&2; exit 1; }

# quote ARGUMENT: as one word of a unit's command line and of the shell's.
quote() {
    printf '%s' "$1" | sed -e "s/'/'\\\\''/g" -e "1s/^/'/" -e "\$s/\$/'/"
}

quote_indented() {
    for argument; do printf " \\\\\n\t%s" "$(quote "$argument")"; done
}

choose_command() {
    case ${1-} in
        -* | '')
            if [ -z "${K3S_URL:-}" ]; then
                COMMAND=server
            elif [ -z "${K3S_TOKEN:-}${K3S_TOKEN_FILE:-}" ]; then
                fatal "Defaulted k3s exec command to 'agent' because K3S_URL is defined, but K3S_TOKEN or K3S_TOKEN_FILE is not defined."
            else
                COMMAND=agent
            fi
            ;;
        *)
            COMMAND=$1
            shift
            ;;
    esac
    COMMAND_LINE="$COMMAND$(quote_indented "$@")"
}

choose_names() {
    if [ -n "${INSTALL_K3S_NAME:-}" ]; then
        NAME=k3s-$INSTALL_K3S_NAME
    elif [ "$COMMAND" = server ]; then
        NAME=k3s
    else
        NAME=k3s-$COMMAND
    fi
    case $NAME in
        *[!a-zA-Z0-9_.-]*) fatal "Invalid characters for system name: $NAME — write letters, digits and _ . -" ;;
    esac
    BIN_DIR=${INSTALL_K3S_BIN_DIR:-/usr/local/bin}
    SYSTEMD_DIR=${INSTALL_K3S_SYSTEMD_DIR:-/etc/systemd/system}
    UNIT=$SYSTEMD_DIR/$NAME.service
    ENVIRONMENT=$UNIT.env
    KILLALL=$BIN_DIR/k3s-killall.sh
    UNINSTALL=$BIN_DIR/$NAME-uninstall.sh
}

check_machine() {
    [ "$(id -u)" = 0 ] || fatal "Not root — units and /usr/local/bin are root's — run it as root"
    command -v systemctl >/dev/null || fatal "Can not find systemd to use as a process supervisor for k3s"
    case ${INSTALL_K3S_SKIP_DOWNLOAD:-false} in
        true | binary | selinux) ;;
        *) fatal "INSTALL_K3S_SKIP_DOWNLOAD is not true — the lab's k3s is built here and cannot be downloaded —" \
            "put its k3s at $BIN_DIR/k3s and set INSTALL_K3S_SKIP_DOWNLOAD=true" ;;
    esac
    [ -x "$BIN_DIR/k3s" ] || fatal "Executable k3s binary not found at $BIN_DIR/k3s"
}

installed_hashes() { sha256sum "$BIN_DIR/k3s" "$UNIT" "$ENVIRONMENT" 2>/dev/null || true; }

create_symlinks() {
    [ "${INSTALL_K3S_SYMLINK:-}" != skip ] || return 0
    for program in kubectl ctr; do
        link=$BIN_DIR/$program
        other=$(command -v "$program" || true)
        if [ "${INSTALL_K3S_SYMLINK:-}" != force ] && [ -e "$link" ]; then
            info "Skipping $link symlink to k3s, already exists"
        elif [ "${INSTALL_K3S_SYMLINK:-}" != force ] && [ -n "$other" ]; then
            info "Skipping $link symlink to k3s, command exists in PATH at $other"
        else
            info "Creating $link symlink to k3s"
            ln -sf k3s "$link"
        fi
    done
}

create_killall() {
    info "Creating killall script $KILLALL"
    cat >"$KILLALL" <<'KILLALL_END'
#!/bin/sh
# Stops k3s and every pod of this node, and takes away their mounts and network; data stays.
set -eu
[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"

STATE=/run/k3s

# descendants PID: the process and all below it.
descendants() {
    echo "$1"
    cat /proc/"$1"/task/*/children 2>/dev/null | tr ' ' '\n' |
        while read -r child; do [ -z "$child" ] || descendants "$child"; done
}

# containerd's shims of this node are those of its own socket.
shims() {
    for process in /proc/[0-9]*; do
        if tr '\0' ' ' <"$process/cmdline" 2>/dev/null |
            grep -q "^[^ ]*containerd-shim.* -address $STATE/containerd/containerd.sock"; then
            echo "${process##*/}"
        fi
    done
}

# The deepest mounts first.
unmount_below() {
    awk -v root="$1" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount"; done
}

for unit in /etc/systemd/system/k3s*.service; do
    if [ -s "$unit" ]; then systemctl stop "$(basename "$unit")"; fi
done

for shim in $(shims); do
    # shellcheck disable=SC2046 # process ids
    kill -KILL $(descendants "$shim") 2>/dev/null || true # some end with their parents
done

unmount_below $STATE
unmount_below /var/lib/kubelet/pods
unmount_below /var/lib/kubelet/plugins
for namespace in $(ip netns list 2>/dev/null | awk '/^cni-/ { print $1 }'); do ip netns delete "$namespace"; done
for link in $(ip -o link show master cni0 2>/dev/null | awk -F': ' '{ sub(/@.*/, "", $2); print $2 }'); do
    ip link delete "$link" 2>/dev/null || true # the other end of a pair that is gone
done
for link in cni0 flannel.1; do
    if ip link show "$link" >/dev/null 2>&1; then ip link delete "$link"; fi
done
rm -rf /var/lib/cni/networks /var/lib/cni/results
for family in iptables ip6tables; do
    "$family-save" | grep -v -e KUBE- -e CNI- -e FLANNEL- -e flanneld | "$family-restore"
done
KILLALL_END
    chmod 755 "$KILLALL"
}

create_uninstall() {
    info "Creating uninstall script $UNINSTALL"
    {
        printf '#!/bin/sh\n# Takes k3s and all its data off this node.\nset -eu\n'
        printf 'NAME=%s\nBIN_DIR=%s\nUNIT=%s\n' "$(quote "$NAME")" "$(quote "$BIN_DIR")" "$(quote "$UNIT")"
        cat <<'UNINSTALL_END'
[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"

# A folder that a volume is mounted on can be emptied only.
remove() {
    [ -e "$1" ] || return 0
    find "$1" -mindepth 1 -delete
    rmdir "$1" 2>/dev/null || mountpoint -q "$1"
}

if [ -x "$BIN_DIR/k3s-killall.sh" ]; then "$BIN_DIR/k3s-killall.sh"; fi
systemctl disable "$NAME" 2>/dev/null || true # it may not have been enabled
systemctl reset-failed "$NAME" 2>/dev/null || true # or not have run
rm -f "$UNIT" "$UNIT.env"
systemctl daemon-reload

if [ -n "$(find "$(dirname "$UNIT")" -maxdepth 1 -name 'k3s*.service')" ]; then
    echo "Additional k3s services installed, skipping uninstall of k3s"
    rm -f "$0"
    exit 0
fi

for program in kubectl ctr; do
    if [ "$(readlink "$BIN_DIR/$program")" = k3s ]; then rm -f "$BIN_DIR/$program"; fi
done
for folder in /etc/rancher/k3s /run/k3s /var/lib/rancher/k3s /var/lib/kubelet; do remove "$folder"; done
rm -f "$BIN_DIR/k3s" "$BIN_DIR/k3s-killall.sh" "$0"
UNINSTALL_END
    } >"$UNINSTALL"
    chmod 755 "$UNINSTALL"
}

create_environment() {
    info "env: Creating environment file $ENVIRONMENT"
    (umask 077 && env | grep -e '^K3S_' -e '^HTTP_PROXY=' -e '^HTTPS_PROXY=' -e '^NO_PROXY=' >"$ENVIRONMENT") || true # none set
    chmod 600 "$ENVIRONMENT"
}

create_unit() {
    info "systemd: Creating service file $UNIT"
    cat >"$UNIT" <<UNIT_END
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=${INSTALL_K3S_TYPE:-notify}
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-$ENVIRONMENT
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$BIN_DIR/k3s \\
    $COMMAND_LINE

UNIT_END
    chmod 644 "$UNIT"
}

enable_and_start() {
    [ "${INSTALL_K3S_SKIP_ENABLE:-false}" != true ] || return 0
    info "systemd: Enabling $NAME unit"
    systemctl enable --quiet "$UNIT"
    systemctl daemon-reload
    [ "${INSTALL_K3S_SKIP_START:-false}" != true ] || return 0
    if [ "$HASHES_BEFORE" = "$(installed_hashes)" ] && [ "${INSTALL_K3S_FORCE_RESTART:-false}" != true ]; then
        info "No change detected so skipping service start"
        return 0
    fi
    info "systemd: Starting $NAME"
    systemctl restart "$NAME"
}

main() {
    choose_command "$@"
    choose_names
    check_machine
    HASHES_BEFORE=$(installed_hashes)
    info "Skipping k3s download and verify"
    create_symlinks
    create_killall
    create_uninstall
    create_environment
    create_unit
    enable_and_start
}

# INSTALL_K3S_EXEC is shell words, quoted as in a command line; the arguments come after them.
arguments=
for argument; do arguments="$arguments $(quote "$argument")"; done
eval "main ${INSTALL_K3S_EXEC:-} $arguments"
