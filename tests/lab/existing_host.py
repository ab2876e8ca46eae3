"""Nodes of the lab as hosts that exist: nothing of the stack made them, but that they are there."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from components.k3s.release import STORE
from components.platforms.existing import nftables
from components.platforms.existing.admit import HOST, KEEP
from components.platforms.existing.machines import CLEAN
from components.platforms.existing.nftables import Admission
from components.scripts import command, compose, turn
from lab.engine.values import Properties
from tests.lab.node_stack import NodeStack
from tests.lab.plugin_host import Plugin

REMOTE = "command:remote:Command"
TABLE = "k3s-lab"
_SECONDS = 60


@dataclass(frozen=True)
class ExistingNode:
    """Node `number` of a stack of nodes, worked on over SSH as the program does it."""

    stack: NodeStack
    plugin: Plugin
    number: int

    def connection(self, **changes: object) -> Properties:
        """How its steps connect."""
        return {
            "host": self.stack.public_ip(self.number),
            "privateKey": self.stack.operator_key.private,
            "hostKey": self.stack.host_key.public,
            "dialErrorLimit": 2,
            **changes,
        }

    def inputs(
        self,
        admissions: Sequence[Admission] = (),
        *,
        node: str = "lab-home-shed",
        generation: str = "first",
        trial: int = 180,
        rules: str = "",
    ) -> Properties:
        """Inputs of the command that makes the host the cluster's; `rules` come at the table's end.

        What it loads is taken back after `trial` seconds, unless `keep` comes.
        """
        variables = self._firewall(admissions, trial, rules) | {"STORE": STORE}
        variables |= {"NODE": node, "GENERATION": generation, "STEP": "host", **turn(300)}
        return {
            "connection": self.connection(),
            "create": command("create", f"host:{node}", user="root", seconds=300),
            "delete": command("delete", f"host:{node}", user="root", seconds=300),
            "stdin": compose(HOST, variables),
            "addPreviousOutputInEnv": False,
        }

    def keep(
        self, admissions: Sequence[Admission] = (), *, trial: int = 180, rules: str = ""
    ) -> Properties:
        """Let the table that was loaded hold from now on."""
        node = "lab-home-shed"
        variables = self._firewall(admissions, trial, rules)
        variables |= {"NODE": node, "STEP": "firewall", **turn(60)}
        inputs = {
            "connection": self.connection(),
            "create": command("create", f"firewall:{node}", user="root", seconds=60),
            "stdin": compose(KEEP, variables),
            "addPreviousOutputInEnv": False,
        }
        return self.plugin.make(REMOTE, inputs)

    @staticmethod
    def _firewall(admissions: Sequence[Admission], trial: int, rules: str) -> dict[str, str]:
        text = nftables.table(TABLE, admissions, ssh_port=22) + rules
        return {"CLUSTER": "lab", "TABLE": TABLE, "RULES": text, "TRIAL_SECONDS": str(trial)}

    def admit(self, *admissions: Admission) -> Properties:
        """Make the host the cluster's; gives the state that `let_go` needs."""
        state = self.plugin.make(REMOTE, self.inputs(admissions))
        self.keep(admissions)
        return state

    def clean(self, state: Properties, generation: str) -> Properties:
        """Clean the host when its generation is another; `state` and what it gives are for that."""
        node = "lab-home-shed"
        variables = {"NODE": node, "CLUSTER": "lab", "STORE": STORE, "GENERATION": generation}
        variables |= {"STEP": "clean", **turn(300)}
        inputs = {
            "connection": self.connection(),
            "update": command("update", f"clean:{node}", user="root", seconds=300),
            "stdin": compose(CLEAN, variables),
            "addPreviousOutputInEnv": False,
        }
        if not state:
            return self.plugin.make(REMOTE, inputs)
        return self.plugin.update(REMOTE, state, self.plugin.check(REMOTE, inputs))

    def let_go(self, state: Properties) -> None:
        self.plugin.delete(REMOTE, state)

    def forget_its_predecessor(self) -> None:
        """Another node had these addresses a moment ago: nobody is to look for its cards."""
        forget = "ip neighbour flush all"
        for number in (2, 3):
            self.stack.inside(number, "sh", "-c", forget)
        self.stack.run("ip", "neighbour", "flush", "to", self.stack.public_ip(self.number))

    def run(self, script: str) -> str:
        """What a shell script prints on the host, beside SSH."""
        return self.stack.inside(self.number, "sh", "-ec", script)

    def ruleset(self) -> str:
        return self.run("nft list ruleset")

    def listen(self, *ports: int, prefix: str = "") -> None:
        """Answer with the port's number at each, from now on."""
        for port in ports:
            serve = f"{prefix} socat TCP-LISTEN:{port},fork,reuseaddr SYSTEM:'echo {port}'"
            self.run(f"systemd-run --quiet --unit listen-{port} {serve}")
            until(lambda port=port: self.run(f"{prefix} ss -Hltn sport = :{port}") != "")

    def answers(self, to: "ExistingNode", port: int) -> bool:
        """Whether a connection from node `to` to a port of this one is answered.

        Who takes the connection is given time to answer; a rule drops what would begin one.
        """
        target = f"TCP:{self.stack.public_ip(self.number)}:{port},connect-timeout=2"
        return to.run(f"timeout 60 socat -u {target} - 2>/dev/null || true") == str(port)


def until(condition: object) -> None:
    """Wait for a condition, a minute at most."""
    deadline = time.monotonic() + _SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def restart(node: ExistingNode) -> None:
    """As if the host had been switched off and on."""
    container = node.stack.container(node.number)
    subprocess.run(["podman", "stop", "--time", "5", container], check=True, capture_output=True)
    done = node.stack.node("create", node.number)
    assert done.returncode == 0, done.stderr
    node.forget_its_predecessor()
