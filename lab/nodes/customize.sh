#!/bin/sh
# Run by mmdebstrap with the root of the new file system, after its packages are installed:
# makes a Debian file system into a node. The files themselves are in rootfs/.
set -eu

root=$1
here=$(dirname "$0")

# Units that a container cannot run, that would write to the host, or that nobody needs here.
MASKED="
console-getty.service
container-getty@.service
getty.target
getty@.service
getty@tty1.service
serial-getty@.service
dev-hugepages.mount
dev-mqueue.mount
modprobe@.service
proc-sys-fs-binfmt_misc.automount
proc-sys-fs-binfmt_misc.mount
sys-fs-fuse-connections.mount
sys-kernel-config.mount
sys-kernel-debug.mount
sys-kernel-tracing.mount
systemd-binfmt.service
systemd-firstboot.service
systemd-hwdb-update.service
systemd-logind.service
systemd-modules-load.service
systemd-networkd.service
systemd-pcrphase.service
systemd-pcrphase-sysinit.service
systemd-random-seed.service
systemd-remount-fs.service
systemd-resolved.service
systemd-sysctl.service
systemd-sysusers.service
systemd-timesyncd.service
systemd-udevd.service
systemd-udev-trigger.service
systemd-update-done.service
systemd-update-utmp.service
systemd-update-utmp-runlevel.service
"

# Housekeeping of a long-lived machine.
DISABLED="apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer"

in_root() { chroot "$root" "$@"; }

# Owner and mode come from here: a clone has those of whoever made it.
(cd "$here/rootfs" && find . -type f) | while read -r file; do
    mode=644
    if [ -x "$here/rootfs/$file" ]; then mode=755; fi
    install -D -m "$mode" "$here/rootfs/$file" "$root/$file"
done

for unit in $MASKED; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
for unit in $DISABLED; do
    if [ -e "$root/lib/systemd/system/$unit" ]; then in_root systemctl disable --quiet "$unit"; fi
done

# Releases start the runtime that they need; k3s brings one of its own.
in_root systemctl disable --quiet containerd.service
# The registration address is a unit of the program's own.
in_root systemctl disable --quiet haproxy.service
in_root systemctl enable --quiet ssh.service
in_root systemctl set-default --quiet multi-user.target

# The CNI plug-ins are where releases look for them.
mkdir -p "$root/opt/cni/bin" "$root/etc/cni/net.d"
for plugin in "$root"/usr/lib/cni/*; do
    ln -s "/usr/lib/cni/${plugin##*/}" "$root/opt/cni/bin/${plugin##*/}"
done

# Each node has an identity of its own.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"
install -d -m 700 "$root/root/.ssh"

# Documentation that nobody reads on a node.
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale" "$root/var/cache/debconf"
