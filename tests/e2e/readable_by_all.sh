# shellcheck shell=sh
# Prints the files under the given folders that hold one of the patterns on standard input and that
# a user without any rights can read. Runs as root, on this machine or on a node.
set -eu
umask 077

nobody=65534
patterns=$(mktemp)
trap 'rm -f "$patterns"' EXIT
cat >"$patterns"
chown "$nobody" "$patterns"

# As that user, so that what counts is what can really be read: modes of folders above included.
# shellcheck disable=SC2016 # expanded by the shell that runs as that user
setpriv --reuid="$nobody" --regid="$nobody" --clear-groups sh -c '
    patterns=$1
    shift
    find "$@" \( -path /proc -o -path /sys \) -prune -o -type f -readable ! -path "$patterns" -print0 2>/dev/null |
        xargs -0 -r grep -lFf "$patterns" 2>/dev/null || true
' sh "$patterns" "$@"
