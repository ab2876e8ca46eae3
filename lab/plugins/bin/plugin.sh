#!/bin/sh
# Runs the plugin that the link's name tells: pulumi-resource-<package>, as Pulumi finds it on the PATH.
set -eu
package=${0##*/pulumi-resource-}
bin=$(dirname -- "$(readlink -f -- "$0")")
root=${bin%/lab/plugins/bin}
python=${LAB_PYTHON:-$root/.venv/bin/python}
if [ ! -x "$python" ]; then
    echo "$0: no Python at $python - make sets it up; another one goes into LAB_PYTHON" >&2
    exit 1
fi
exec "$python" -I "$root/lab/plugins/launch.py" "$package" "$@"
