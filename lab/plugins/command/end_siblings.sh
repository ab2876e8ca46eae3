# shellcheck shell=sh
# Sends the signal named by $1 to the process groups of the other sessions of this SSH connection:
# their leaders are the other children of the sshd process that is this shell's parent.
# Where that process has ended already, init is this shell's parent, and its children are the whole
# machine's services: then there is nobody left to signal.
[ "$PPID" -gt 1 ] || exit 0
for status in /proc/[0-9]*/status; do
    pid="" parent=""
    while read -r key value _; do
        case $key in
            Pid:) pid=$value ;;
            PPid:) parent=$value && break ;;
        esac
    done <"$status"
    if [ "$parent" = "$PPID" ] && [ "$pid" != "$$" ]; then
        kill -s "$1" -- "-$pid"
    fi
done 2>/dev/null
