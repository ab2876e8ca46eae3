# shellcheck shell=sh disable=SC2154
# One script of a step and node at a time. Nothing ends a script whose run was killed, or whose
# connection broke: it goes on by itself. The next run's waits for its end, and one that finds its
# session gone gives up at its next wait: until then it does what it had begun.
# Uses NODE, STEP, TURN_SECONDS (how long it waits for its turn), and say and fail, which come before.
# The locks are held as long as the script runs.

TURNS=/run/k3s-pulumi

# The process of sshd that this script was started by; nothing where it was started otherwise.
session_of() {
    process=$PPID
    while [ "$process" -gt 1 ]; do
        name='' parent=0
        while read -r key value _; do
            case $key in
                Name:) name=$value ;;
                PPid:) parent=$value && break ;;
            esac
        done 2>/dev/null <"/proc/$process/status" || return 0
        case $name in
            sshd*)
                echo "$process"
                return 0
                ;;
        esac
        process=$parent
    done
}

is_cut_off() { [ -n "$SESSION" ] && ! [ -d "/proc/$SESSION" ]; }

# locked KIND: `-x` waits for the other steps' scripts on this machine, too; `-s` does not.
locked() {
    SESSION=$(session_of)
    mkdir -p "$TURNS"
    exec 7>"$TURNS/scripts.lock" 8>"$TURNS/$STEP-$NODE.lock"
    if flock -n "$1" 7 && flock -n 8; then return 0; fi
    say "waits for the end of what an earlier run began here"
    { flock -w "$TURN_SECONDS" "$1" 7 && flock -w "$TURN_SECONDS" 8; } ||
        fail "what an earlier run began here has not ended after $TURN_SECONDS s — see which: fuser -v $TURNS/*.lock"
}

take_turn() { locked -s; }

take_turn_alone() { locked -x; }

take_turn </dev/null
