# shellcheck shell=sh
# shellcheck disable=SC2153 # what is in capitals is assigned before this text
# Makes and removes a node: a container that runs systemd and sshd, with fixed addresses on both networks
# of its stack. Comes after podman.sh.
#
#   CONTAINER        its name in Podman;  NODE_HOSTNAME  its host name
#   NETWORK          as in network.sh;    IMAGE          reference of the node image
#   PRIVATE_IP       its address on <NETWORK>-private (eth1)
#   PUBLIC_IP        its address on <NETWORK>-public (eth0, default route), where sshd is waited for
#   MEMORY           bound of its memory as Podman takes it (4g), empty for none
#   HOST_KEY         sshd's private ed25519 key (secret);  HOST_KEY_PUB  the public one
#   AUTHORIZED_KEYS  root's authorized_keys
#
# create prints the container's id alone.

PARAMETERS_LABEL=io.k3s-pulumi.parameters
BOOT_SECONDS=60

# Volumes by the directory they hold: a container's own file system is an overlay, on which the
# overlays of the containers inside cannot stand.
volumes() {
    printf '%s\n' "$CONTAINER-rancher /var/lib/rancher" "$CONTAINER-kubelet /var/lib/kubelet"
}

# Changes with everything that the container is made of.
parameters() {
    printf '%s\n' "$NODE_HOSTNAME" "$NETWORK" "$IMAGE" "$PRIVATE_IP" "$PUBLIC_IP" "$MEMORY" \
        "$HOST_KEY_PUB" "$AUTHORIZED_KEYS" | sha256sum | cut -d ' ' -f 1
}

# state: absent, or Podman's word: created, running, exited ...
state() {
    if rootful_podman container exists "$CONTAINER"; then
        rootful_podman container inspect --format '{{.State.Status}}' "$CONTAINER"
    else
        echo absent
    fi
}

create() {
    check_podman
    case $(state) in
        absent) make ;;
        running) check_mine ;;
        exited | stopped)
            check_mine
            start
            ;;
        created | configured | initialized)
            # Never started, so killed while it was made: nothing of it is of use.
            check_owner
            remove_container "$CONTAINER"
            make
            ;;
        *)
            fail "$CONTAINER: $(state) — such a container can be neither used nor mended —" \
                "remove it: podman rm -f $CONTAINER"
            ;;
    esac
    wait_for_sshd
    rootful_podman container inspect --format '{{.Id}}' "$CONTAINER"
}

check_owner() {
    [ "$(owner_of container "$CONTAINER")" = "$NETWORK" ] ||
        fail "$CONTAINER: a container of this name exists and was not made by this stack — it is not touched —" \
            "name the stack otherwise, or remove it: podman rm -f $CONTAINER"
}

check_mine() {
    check_owner
    made_of=$(rootful_podman container inspect \
        --format "{{index .Config.Labels \"$PARAMETERS_LABEL\"}}" "$CONTAINER")
    [ "$made_of" = "$(parameters)" ] ||
        fail "$CONTAINER: the container exists and was made with other settings (image, addresses, memory," \
            "keys) — it may hold data, so it is not replaced unasked — destroy the stack, or remove it:" \
            "podman rm -f $CONTAINER"
}

make() {
    rootful_podman image exists "$IMAGE" ||
        fail "$IMAGE: Podman does not have this image — nodes are made from it —" \
            "build it (python -m lab.nodes.build prints its name), or name one that is there"
    remove_volumes
    for name in $(volumes | cut -d ' ' -f 1); do
        rootful_podman volume create --label "$OWNER_LABEL=$NETWORK" "$name" >/dev/null
    done
    create_container
    install_keys
    start
}

# limit NAME MOST: the hard limit here or MOST, whichever is less: raising one takes CAP_SYS_RESOURCE.
limit() {
    hard=$(awk -v name="$1" 'index($0, name) == 1 { print $(NF - 1) }' /proc/self/limits)
    if [ "$hard" = unlimited ] || [ "$hard" -gt "$2" ]; then echo "$2"; else echo "$hard"; fi
}

# link_address IP: locally administered, the same for each container that gets the address. Who knew the one
# before sends to it for up to a minute more, and the kernel announces no new one.
link_address() {
    printf '02:42'
    for number in $(printf '%s\n' "$1" | tr . ' '); do printf ':%02x' "$number"; done
}

# What a container of systemd needs differs by the host's cgroups. v2: Podman knows (--systemd=always). v1,
# also hybrid: runc, and none of Podman's help, which would give all nodes one systemd hierarchy.
create_container() {
    runtime=
    set -- --systemd=always
    if ! cgroup_v2; then
        runtime="--runtime runc"
        set -- --systemd=false --env container=podman --stop-signal SIGRTMIN+3
    fi
    if [ -n "$MEMORY" ]; then set -- "$@" --memory "$MEMORY"; fi
    if [ -d /lib/modules ]; then set -- "$@" --volume /lib/modules:/lib/modules:ro; fi
    for pair in $(volumes | tr ' ' ':'); do set -- "$@" --volume "$pair"; done
    files=$(limit 'Max open files' 1048576)
    # Podman lowers its own to the greatest process id, and nothing can have more.
    processes=$(limit 'Max processes' "$(cat /proc/sys/kernel/pid_max)")
    # shellcheck disable=SC2086 # two words or none
    rootful_podman $runtime create --name "$CONTAINER" --hostname "$NODE_HOSTNAME" \
        --label "$OWNER_LABEL=$NETWORK" --label "$PARAMETERS_LABEL=$(parameters)" \
        --privileged --cgroupns=private --pids-limit=-1 \
        --ulimit "nofile=$files:$files" --ulimit "nproc=$processes:$processes" \
        --tmpfs /run:rw,mode=755,size=256m --tmpfs /run/lock:rw --tmpfs /tmp:rw,mode=1777,exec \
        --network "$NETWORK-public:ip=$PUBLIC_IP,mac=$(link_address "$PUBLIC_IP"),interface_name=eth0" \
        --network "$NETWORK-private:ip=$PRIVATE_IP,mac=$(link_address "$PRIVATE_IP"),interface_name=eth1" \
        "$@" "$IMAGE" >/dev/null
}

# Puts sshd's key and root's authorized_keys in place before the first start. On their way they are files
# that only this user can read, in memory where there is such a place.
install_keys() {
    umask 077
    place=${TMPDIR:-/tmp}
    if [ -w /dev/shm ]; then place=/dev/shm; fi
    keys=$(mktemp -d "$place/k3s-pulumi-keys.XXXXXX")
    trap 'rm -rf "$keys"' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$keys/etc/ssh" "$keys/root/.ssh"
    printf '%s\n' "$HOST_KEY" >"$keys/etc/ssh/ssh_host_ed25519_key"
    printf '%s\n' "$HOST_KEY_PUB" >"$keys/etc/ssh/ssh_host_ed25519_key.pub"
    chmod 644 "$keys/etc/ssh/ssh_host_ed25519_key.pub"
    printf '%s\n' "$AUTHORIZED_KEYS" >"$keys/root/.ssh/authorized_keys"
    tar -C "$keys" --owner=0 --group=0 -cf - etc/ssh/ssh_host_ed25519_key \
        etc/ssh/ssh_host_ed25519_key.pub root/.ssh/authorized_keys |
        TMPDIR=$keys rootful_podman cp - "$CONTAINER:/" # which keeps it in a file for a moment
    rm -rf "$keys"
}

start() {
    lock_host -s
    rootful_podman start "$CONTAINER" >/dev/null 9<&-
    exec 9<&-
}

# Asked from inside, where socat is: what it needs is the node's own.
wait_for_sshd() {
    # shellcheck disable=SC2016 # expanded by the node's shell
    rootful_podman exec "$CONTAINER" timeout "$BOOT_SECONDS" sh -c '
        until socat -u "TCP:$1:22,readbytes=4" - 2>/dev/null | grep -q "^SSH-"; do sleep 0.05; done
        ' sh "$PUBLIC_IP" ||
        fail_with_journal "$CONTAINER: sshd on $PUBLIC_IP does not answer after $BOOT_SECONDS s"
}

fail_with_journal() {
    say "$1 — the node's journal may say why; its last lines:"
    rootful_podman exec "$CONTAINER" timeout 10 journalctl --no-pager --lines 30 >&2 ||
        rootful_podman logs --tail 30 "$CONTAINER" >&2
    fail "run it again, or look inside: podman exec -it $CONTAINER bash"
}

# A volume of that name which is not this stack's ends the script.
remove_volumes() {
    for name in $(volumes | cut -d ' ' -f 1); do
        if ! rootful_podman volume exists "$name"; then continue; fi
        [ "$(owner_of volume "$name")" = "$NETWORK" ] ||
            fail "$name: a volume of this name exists and was not made by this stack — it is not touched —" \
                "name the stack otherwise, or remove it: podman volume rm $name"
        rootful_podman volume rm "$name" >/dev/null
    done
}

delete() {
    check_podman
    if [ "$(state)" = absent ]; then
        remove_volumes
    elif [ "$(owner_of container "$CONTAINER")" = "$NETWORK" ]; then
        remove_container "$CONTAINER"
        remove_volumes
    else
        say "$CONTAINER: left alone, it was not made by this stack"
    fi
}

main() {
    case ${1-} in
        create | delete) "$1" ;;
        *) fail "node.sh: ${1-nothing} — not an action — write create or delete" ;;
    esac
}

main "$@" </dev/null
