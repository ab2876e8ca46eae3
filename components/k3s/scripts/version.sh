# shellcheck shell=sh disable=SC2154
# Which versions may follow on which: Kubernetes goes back to none and skips no minor
# (https://kubernetes.io/releases/version-skew-policy/#supported-component-upgrade-order).

# numbers_of VERSION: of v1.35.6+k3s1, 1 35 6.
numbers_of() { printf '%s\n' "$1" | sed -n 's/^v\([0-9]*\)\.\([0-9]*\)\.\([0-9]*\).*/\1 \2 \3/p'; }

# step_to RUNNING WANTED: fine, back, or the minor that comes before.
step_to() {
    # shellcheck disable=SC2046 # each number is a word
    set -- $(numbers_of "$1") $(numbers_of "$2")
    if [ "$#" -ne 6 ]; then
        echo fine # not named as releases are: nothing is known of them
    elif [ "$4" -lt "$1" ] || { [ "$4" -eq "$1" ] && [ "$5" -lt "$2" ]; } ||
        { [ "$4 $5" = "$1 $2" ] && [ "$6" -lt "$3" ]; }; then
        echo back
    elif [ "$4" -gt "$1" ] || [ "$5" -gt "$(($2 + 1))" ]; then
        echo "v$1.$(($2 + 1))"
    else
        echo fine
    fi
}

# check_version RUNNING WANTED
check_version() {
    [ -n "$1" ] || return 0
    case $(step_to "$1" "$2") in
        fine) ;;
        back) problem "k3s $1 runs here — k3s does not go back to $2: its datastore may be written anew already — write $1 or newer, or make a new cluster" ;;
        *) problem "k3s $1 runs here — $2 skips a minor version — go to the newest $(step_to "$1" "$2") first" ;;
    esac
}

# Nothing where k3s does not run: a new version that has never started may be taken back.
running_version() {
    if systemctl is-active --quiet "$(unit)"; then
        "$K3S" --version | sed -n '1s/^k3s version \([^ ]*\).*/\1/p'
    fi
}
