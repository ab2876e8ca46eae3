"""A server that the others have removed stays out, whoever starts its unit: systemd is asked."""

import subprocess
from collections.abc import Iterator

import pytest

from components.k3s.install import INSTALLS
from components.scripts import compose
from tests.conftest import CLONE
from tests.lab.node_stack import NodeStack, succeeded

pytestmark = pytest.mark.nodes

_FOLDER = CLONE / "components" / "k3s" / "scripts"
_PARTS = [_FOLDER / f"{name}.sh" for name in ("lib", *INSTALLS)]
_DROP_IN = "/etc/systemd/system/k3s.service.d/k3s-pulumi.conf"
_MEMBER = "/var/lib/rancher/k3s/server/db/etcd"
_UNIT = """
cat >/etc/systemd/system/k3s.service <<'END'
[Service]
ExecStart=/bin/sleep inf
END
systemctl daemon-reload
"""


@pytest.fixture(scope="module")
def stack(node_image: str) -> Iterator[NodeStack]:
    made = NodeStack(node_image, network="k3slab-rejoin", private="10.98.20", public="10.98.21")
    succeeded(made.networks("delete"))
    succeeded(made.networks("create"))
    succeeded(made.node("create", 1))
    succeeded(shell(made, _UNIT))
    yield made
    succeeded(made.node("delete", 1))
    succeeded(made.networks("delete"))


def shell(stack: NodeStack, script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["podman", "exec", "--interactive", stack.container(1), "sh", "-es"],
        input=script,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def call(stack: NodeStack, function: str, role: str = "server") -> str:
    """What a function of the scripts says on a node of this role."""
    text = compose(_PARTS, {"NODE": "n-1", "STEP": "install", "ROLE": role})
    done = shell(stack, f"{text}\n{function} </dev/null\n")
    succeeded(done)
    return done.stderr


def is_active(stack: NodeStack) -> bool:
    asked = "systemctl start k3s; systemctl is-active k3s || true"
    return succeeded(shell(stack, asked)).strip() == "active"


def test_an_agents_unit_is_left_as_it_is(stack: NodeStack) -> None:
    call(stack, "stay_out_once_removed", role="agent")
    assert succeeded(shell(stack, f"ls {_DROP_IN} 2>/dev/null || true")) == ""


def test_a_removed_server_is_started_by_nobody_until_it_is_taken_back(stack: NodeStack) -> None:
    call(stack, "stay_out_once_removed")
    assert succeeded(shell(stack, f"stat -c '%a %U' {_DROP_IN}")).split() == ["644", "root"]
    assert is_active(stack)
    # As k3s leaves it, which then ends.
    succeeded(shell(stack, f"mkdir -p {_MEMBER}/member; touch {_MEMBER}/tombstone"))
    succeeded(shell(stack, "systemctl stop k3s"))
    assert not is_active(stack)

    assert "was taken out of the cluster: joins it anew" in call(stack, "take_back")
    assert is_active(stack)
    left = succeeded(shell(stack, f"ls {_MEMBER}* -d")).split()
    assert [name.startswith(f"{_MEMBER}-old-") for name in left] == [True]


def test_the_same_words_are_not_written_again(stack: NodeStack) -> None:
    when = f"stat -c %Y.%i {_DROP_IN}"
    before = succeeded(shell(stack, when))
    call(stack, "stay_out_once_removed")
    assert succeeded(shell(stack, when)) == before
