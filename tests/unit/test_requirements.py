"""Memory and disk: what cannot work is refused, what k3s asks for is as the settings say."""

import subprocess

import pytest

from components.groups import Role
from components.k3s import requirements
from components.k3s.requirements import Requirements
from stacks.settings import SettingsError, parse
from tests.unit.recordings import of
from tests.unit.stackfiles import ROOT
from tests.unit.test_prepare import a_node, told

SCRIPT = ROOT / "components" / "k3s" / "scripts" / "requirements.sh"
KIB_OF_A_GB = 1000**3 // 1024
ENOUGH_DISK = (60 * KIB_OF_A_GB, 30 * KIB_OF_A_GB)
LARGER = "use a larger machine"


def judged(call: str, role: Role = "agent", chosen: Requirements = "warning") -> str:
    """What the script says to values that are given."""
    known = {"ROLE": role, **requirements.variables(role, chosen)}
    head = "".join(f"{name}={value}\n" for name, value in known.items())
    words = 'problem() { echo "problem: $*"; }\nsay() { echo "$*"; }\n'
    text = f"set -eu\n{head}{words}{SCRIPT.read_text()}\n{call}\n"
    done = subprocess.run(["sh"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("role", "found", "chosen", "says"),
    [
        ("agent", 512, "error", ""),
        # A machine that is sold with 512 MiB shows less: firmware and kernel keep some.
        ("agent", 460, "error", ""),
        (
            "agent",
            400,
            "warning",
            f"warning: 400 MiB of memory — k3s asks agents for 512 MiB — {LARGER}",
        ),
        (
            "agent",
            400,
            "error",
            f"problem: 400 MiB of memory — k3s asks agents for 512 MiB — {LARGER}, "
            "or write requirements: warning",
        ),
        (
            "agent",
            200,
            "warning",
            "problem: 200 MiB of memory — a k3s agent does not start with less than 256 MiB — "
            f"{LARGER}",
        ),
        ("server", 1792, "error", ""),
        (
            "server",
            960,
            "warning",
            f"warning: 960 MiB of memory — k3s asks servers for 2048 MiB — {LARGER}",
        ),
        (
            "server",
            480,
            "warning",
            "problem: 480 MiB of memory — a k3s server does not start with less than 1024 MiB — "
            f"{LARGER}",
        ),
    ],
)
def test_memory_is_judged(role: Role, found: int, chosen: Requirements, says: str) -> None:
    assert judged(f"judge_memory {found}", role, chosen) == says


@pytest.mark.parametrize(
    ("size", "free", "chosen", "says"),
    [
        (20 * KIB_OF_A_GB, 19 * KIB_OF_A_GB, "error", ""),
        (18.5 * KIB_OF_A_GB, 15 * KIB_OF_A_GB, "error", ""),
        # What fills up while a node works is no reason to refuse it: the disk's size is asked.
        (60 * KIB_OF_A_GB, 3 * KIB_OF_A_GB, "error", ""),
        (
            16 * KIB_OF_A_GB,
            9 * KIB_OF_A_GB,
            "warning",
            "warning: 15 GB of disk under /var/lib/rancher — images and data fill less than 20 GB "
            "soon — use a larger disk",
        ),
        (
            16 * KIB_OF_A_GB,
            9 * KIB_OF_A_GB,
            "error",
            "problem: 15 GB of disk under /var/lib/rancher — images and data fill less than 20 GB "
            "soon — use a larger disk, or write requirements: warning",
        ),
        (
            60 * KIB_OF_A_GB,
            500 * 1024,
            "warning",
            "problem: 500 MiB free under /var/lib/rancher — images and data need 2048 MiB — free "
            "some, or use a larger disk",
        ),
    ],
)
def test_a_disk_is_judged(size: float, free: int, chosen: Requirements, says: str) -> None:
    assert judged(f"judge_disk {int(size)} {int(free)}", chosen=chosen) == says


def test_this_machines_own_memory_and_disk_are_read() -> None:
    found = judged("memory_mib").splitlines()
    assert len(found) == 1
    assert int(found[0]) > 0


def memory_problems(memory: str, chosen: Requirements, agents: int = 1) -> list[str]:
    groups = '{"server": {"role": "server", "count": 1}}'
    if agents:
        groups = groups[:-1] + f', "agent": {{"role": "agent", "count": {agents}}}}}'
    raw = {
        "platform": "local",
        "groups": groups,
        "k3s": '{"version": "v1.35.6+k3s1"}',
        "local": f'{{"memory": "{memory}"}}',
        "requirements": chosen,
    }
    try:
        parse("dev", raw)
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_containers_that_would_be_too_small_are_refused_before_any_is_made() -> None:
    least = "local.memory: 400m — a k3s server does not start with less than 1024 MiB"
    (told_of,) = memory_problems("400m", "warning")
    assert told_of == f"{least} — write 2048m, or leave memory out"
    asked = "local.memory: 1g — k3s asks servers for 2048 MiB — write 2048m, leave memory out"
    assert memory_problems("1g", "error") == [f"{asked}, or write requirements: warning"]
    assert memory_problems("1g", "warning") == []
    assert memory_problems("2g", "error") == []


def test_what_is_done_about_them_is_a_setting() -> None:
    recording = of("production")
    given = told(recording, a_node(recording, "aws:ec2/instance:Instance"))
    assert given["REQUIREMENTS"] == "warning"
    (told_of,) = memory_problems("4g", "never")  # type: ignore[arg-type]
    assert told_of.startswith("requirements: never — input should be 'error' or 'warning' — write ")
