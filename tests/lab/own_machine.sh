#!/bin/sh
# First process of a machine of its own (own_machine.py), in fresh namespaces: gives Podman an empty
# store, in memory, that only borrows the images, then waits until its standard input ends.
set -eu

ip link set lo up
sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_redirects=1

# What the real machine's containers have mounted goes when they do, which is nobody's doing here.
awk '{ print $2 }' /proc/self/mounts | sort -r | while read -r place; do
    case $place in
        /run/netns/* | /run/containers/* | /var/lib/containers/storage/*)
            umount -l "$place" 2>/dev/null || true # it has gone in between
            ;;
    esac
done

mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/images /run/containers-etc
mount --bind /var/lib/containers/storage /run/images
mount -t tmpfs tmpfs /var/lib/containers

cp -R /etc/containers/. /run/containers-etc
rm -rf /run/containers-etc/networks
cat >/run/containers-etc/storage.conf <<'END'
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = ["/run/images"]
END
# systemd, which might manage cgroups, is out of reach in here.
cat >/run/containers-etc/containers.conf <<'END'
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
mount --bind /run/containers-etc /etc/containers

echo ready
# The shell waits, so that it can be the parent of those whose parents have ended. Without a name of
# its own for standard input, a command in the background would read /dev/null.
exec 3<&0
cat <&3 >/dev/null &
wait
