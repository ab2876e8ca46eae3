# shellcheck shell=sh disable=SC2154
# Memory and disk, held against what k3s asks for (requirements.py).
# Uses ROLE, REQUIREMENTS (error or warning: what less than asked for is), MEMORY_ASKED and
# MEMORY_LEAST (MiB as machines are sold), DISK_ASKED (GB as disks are sold), DISK_LEAST_FREE (MiB).

# falls_short WORDS: less than is asked for.
falls_short() {
    if [ "$REQUIREMENTS" = error ]; then
        problem "$1, or write requirements: warning"
    else
        say "warning: $1"
    fi
}

# judge_memory MIB: firmware and kernel keep up to an eighth of what a machine is sold with.
judge_memory() {
    if [ "$1" -lt $((MEMORY_LEAST * 7 / 8)) ]; then
        problem "$1 MiB of memory — a k3s $ROLE does not start with less than $MEMORY_LEAST MiB — use a larger machine"
    elif [ "$1" -lt $((MEMORY_ASKED * 7 / 8)) ]; then
        falls_short "$1 MiB of memory — k3s asks ${ROLE}s for $MEMORY_ASKED MiB — use a larger machine"
    fi
}

# judge_disk SIZE_KIB FREE_KIB: partitions and the file system keep up to a tenth of a disk.
judge_disk() {
    if [ $(($2 / 1024)) -lt "$DISK_LEAST_FREE" ]; then
        problem "$(($2 / 1024)) MiB free under /var/lib/rancher — images and data need $DISK_LEAST_FREE MiB — free some, or use a larger disk"
    elif [ "$1" -lt $((DISK_ASKED * 900000000 / 1024)) ]; then
        falls_short "$(($1 * 1024 / 1000000000)) GB of disk under /var/lib/rancher — images and data fill less than $DISK_ASKED GB soon — use a larger disk"
    fi
}

# memory_mib: the machine's, or less where a container is bounded to less.
memory_mib() {
    found=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) / 1024))
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        bound=$(cat "$file" 2>/dev/null) || continue
        case $bound in
            *[!0-9]* | '') continue ;;
        esac
        # No bound is a number of 19 digits in the older of the two.
        if [ "$((bound / 1048576))" -lt "$found" ]; then found=$((bound / 1048576)); fi
    done
    printf '%s\n' "$found"
}

check_requirements() {
    judge_memory "$(memory_mib)"
    mkdir -p /var/lib/rancher
    # shellcheck disable=SC2046 # two numbers
    judge_disk $(df -Pk /var/lib/rancher | awk 'NR == 2 { print $2, $4 }')
}
