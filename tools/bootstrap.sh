#!/bin/sh
# Makes .venv from the pinned requirements, or finds it made: then it takes some milliseconds.
#   tools/bootstrap.sh program   what `make up` and its fellows need
#   tools/bootstrap.sh develop   that, and what `make check` and `make test` need
# An installation that was cut off is begun anew. Wheels are kept in the project's cache folder.
set -eu

clone=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${K3S_PULUMI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/k3s-pulumi}
venv=$clone/.venv
wheels=$cache/wheels
oldest=3.11

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "setup: $*"
    exit 1
}

requirements() {
    case $1 in
    program) set -- requirements.txt lab/requirements.txt ;;
    develop) set -- requirements.txt lab/requirements.txt tests/requirements.txt ;;
    *) fail "$1 — there is no such set of requirements — write program or develop" ;;
    esac
    printf '%s\n' "$@"
}

# The text of all requirements: the venv keeps a copy of what it was made from.
wanted() { (cd "$clone" && requirements "$1" | xargs cat); }

is_there() {
    [ ! -e "$venv/.installing" ] && [ -e "$venv/.installed-$1" ] &&
        [ "$(wanted "$1")" = "$(cat "$venv/.installed-$1")" ]
}

new_enough() {
    "$1" -c "import sys; sys.exit(sys.version_info < (${oldest%.*}, ${oldest#*.}))" 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

apt_install() {
    command -v apt-get >/dev/null || fail "$* missing — there is no apt-get here — install Python $oldest or newer with its venv module"
    [ "$(id -u)" = 0 ] || fail "$* missing — only root can install it — run: sudo apt-get install -y $*"
    say "setup: installing $* (apt)"
    apt_run() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1; }
    # The package list may be old, or not there at all.
    said=$(apt_run install -y --no-install-recommends "$@") ||
        said=$(apt_run update && apt_run install -y --no-install-recommends "$@") || {
        say "$said"
        fail "$* — apt-get could not install it, see above — run: apt-get update && apt-get install -y $*"
    }
}

python_with_venv() {
    python=$(find_python) || {
        apt_install python3 python3-venv
        python=$(find_python) || fail "$(python3 --version 2>&1) — Python $oldest or newer is needed — install it, or write make PYTHON=/path/to/python3"
    }
    # Debian and Ubuntu keep ensurepip in a package of its own, one for each Python.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
}

# pip LEVEL WORD...: pip with the requirements of LEVEL.
pip() {
    level=$1
    shift
    requirements "$level" | sed 's/^/-r /' | (cd "$clone" && xargs env PIP_CACHE_DIR="$cache/pip" \
        "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@") >&2
}

# Kept as wheels, as not every index lets pip cache: then a second clone downloads nothing.
fetch_wheels() { pip "$1" wheel --wheel-dir "$wheels"; }
# Not compiled: of the many modules of pulumi-aws and its like, a program imports few.
from_wheels() { pip "$1" install --no-compile --no-index --find-links "$wheels"; }

install() {
    python_with_venv
    say "setup: Python packages into .venv ($("$python" --version))"
    if [ -e "$venv/.installing" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$venv"
    fi
    mkdir -p "$venv" "$wheels"
    : >"$venv/.installing"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || fail "$venv — Python could not make a virtual environment there, see above — put it right and run the command again"
    from_wheels "$1" 2>/dev/null || { fetch_wheels "$1" && from_wheels "$1"; } ||
        fail "$1 requirements — pip could not install them, see above — put it right and run the command again"
    rm -f "$venv"/.installed-*
    [ "$1" = program ] || wanted program >"$venv/.installed-program"
    wanted "$1" >"$venv/.installed-$1"
    rm "$venv/.installing"
}

# One at a time, over all clones: a second `make` waits here and then finds the work done.
alone() {
    mkdir -p "$cache"
    exec 9>"$cache/setup.lock"
    ! command -v flock >/dev/null || flock 9
}

level=${1:-program}
if ! is_there "$level"; then
    alone
    if ! is_there "$level"; then install "$level"; fi
fi
