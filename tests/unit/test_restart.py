"""A k3s that is told to restart has not started because it was running before."""

import subprocess

import pytest

from tests.unit.stackfiles import ROOT

SCRIPTS = ROOT / "components" / "k3s" / "scripts"
# systemd as a script meets it: told to restart without waiting, it says `active` of the old k3s
# until it has come to it; then the unit stops, starts as another invocation, and is active again.
SYSTEMD = """
asked=0
systemctl() {
    case "$*" in
        reset-failed* | restart* | start*) ;;
        *InvocationID*) if [ "$asked" -lt 6 ]; then echo old; else echo new; fi ;;
        is-active*)
            asked=$((asked + 1))
            [ "$asked" -le "$QUEUED" ] || [ "$asked" -ge 9 ]
            ;;
        *NRestarts*) echo 0 ;;
        *) echo "systemctl $*" >&2; exit 9 ;;
    esac
}
sleep() { asked=$((asked + 1)); }
was_removed() { false; }
journal_tail() { :; }
"""


@pytest.mark.parametrize("queued", [0, 1, 3])
def test_a_restart_is_over_when_another_k3s_is_active(queued: int) -> None:
    parts = "".join((SCRIPTS / f"{name}.sh").read_text() for name in ("lib", "service"))
    variables = f"NODE=server-1 STEP=change ROLE=server CONFIG='' QUEUED={queued}\n"
    done = subprocess.run(
        ["sh", "-s"],
        input=f'{variables}{parts}{SYSTEMD}start restart\necho "after $asked"\n',
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "server-1: change: restarts k3s\n"
    assert done.returncode == 0
    assert int(done.stdout.split()[-1]) >= 9
