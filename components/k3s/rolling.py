"""Changes of k3s that go through the nodes: one server at a time, then agents in batches.

Nothing here runs when a cluster is made: the commands have no `create`, and each is registered
before the node's `install`. So a node that has joined has a record of what it was changed to last,
and whatever is wanted then, in whichever run, is a difference that Pulumi sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import remote
from pulumi_random import RandomId

from components.k3s.install import INSTALLS, SECONDS
from components.k3s.prepare import Prepared
from components.k3s.step import Step
from components.k3s.upgrade import UpgradeSettings
from components.platforms.machine import Machine

# For an API that is silent for a moment, beside what the settings give a drain.
_API_SECONDS = 180
# 300 s until the node is Ready again, after those.
_BACK_SECONDS = 600
# A server first waits 120 s for the others, so that etcd keeps its quorum.
_CHANGE_SECONDS = SECONDS + 180


@dataclass(frozen=True, kw_only=True)
class Target:
    """A node and what it is to be: `config` without its labels and taints.

    `via` is the server that drains it, the node itself if it is one: that one is asked for the API
    first, and the registration address when it does not answer.
    """

    machine: Machine
    via: Machine
    prepared: Prepared
    config: pulumi.Output[str]
    pod_ips: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What the nodes' changes share: the wanted version, and `registration`, the API's URL."""

    version: str
    registration: pulumi.Output[str]
    upgrade: UpgradeSettings
    reach_seconds: int
    has_pod_network: bool
    opts: pulumi.ResourceOptions

    def servers(
        self, targets: Sequence[Target], after: Sequence[pulumi.Resource]
    ) -> dict[str, remote.Command]:
        """One at a time; gives the last step of each by the node's name.

        Before the first, servers whose k3s does not run are mended: a change that went wrong is
        taken back there, where nobody is missed, and not from a server that runs.
        """
        mended = [self._mend(target, after) for target in targets] if len(targets) > 1 else []
        return self._in_turn([[target] for target in targets], [*after, *mended])

    def agents(
        self, targets: Sequence[Target], after: Sequence[pulumi.Resource]
    ) -> dict[str, remote.Command]:
        """In batches, in the order given."""
        size = self.upgrade.batch
        batches = [targets[start : start + size] for start in range(0, len(targets), size)]
        return self._in_turn(batches, after)

    def _in_turn(
        self, batches: Sequence[Sequence[Target]], after: Sequence[pulumi.Resource]
    ) -> dict[str, remote.Command]:
        rolled: dict[str, remote.Command] = {}
        for batch in batches:
            done = {target.machine.name: self._roll(target, after) for target in batch}
            rolled |= done
            after = list(done.values())
        return rolled

    def _roll(self, target: Target, after: Sequence[pulumi.Resource]) -> remote.Command:
        node = target.machine.name
        wanted = self._number(target, after)
        about = {"ROLE": target.machine.role, "CHANGE": wanted, "WANTED": self.version}
        asked = {**about, "REGISTRATION": self.registration}
        drained = self._step("drain", _API_SECONDS + self.upgrade.drain_seconds, "nodes").on(
            f"{node}-drain",
            target.via,
            subject=node,
            variables={**asked, **self._drain_variables()},
            triggers=[target.machine.id],
            opts=self._after([*after, *target.prepared.steps]),
        )
        changed = self._change("change", target, {"CHANGE": wanted}, [drained])
        return self._step("uncordon", _BACK_SECONDS, "nodes").on(
            f"{node}-uncordon",
            target.via,
            subject=node,
            variables={**asked, "POD_NETWORK": "yes" if self.has_pod_network else ""},
            triggers=[target.machine.id],
            opts=self._after([changed]),
        )

    def _mend(self, target: Target, after: Sequence[pulumi.Resource]) -> remote.Command:
        return self._change("mend", target, {}, [*after, *target.prepared.steps])

    def _change(
        self,
        name: str,
        target: Target,
        further: dict[str, pulumi.Output[str]],
        after: Sequence[pulumi.Resource],
    ) -> remote.Command:
        machine = target.machine
        return self._step(name, _CHANGE_SECONDS, *INSTALLS, "nodes").on(
            f"{machine.name}-{name}",
            machine,
            subject=machine.name,
            variables={
                **target.prepared.variables(),
                "ROLE": machine.role,
                "CONFIG": target.config,
                "POD_IPS": target.pod_ips,
                "REGISTRATION": self.registration,
                "REACH_SECONDS": str(self.reach_seconds),
                **further,
            },
            triggers=[machine.id],
            opts=self._after(after),
        )

    def _number(self, target: Target, after: Sequence[pulumi.Resource]) -> pulumi.Output[str]:
        """A new one for each change, also for one that takes back what has failed or was killed.

        What has run has taken the number of its run down; the same settings have another one when
        they come again, and so all of it runs again.
        """
        return RandomId(
            f"{target.machine.name}-wanted",
            byte_length=8,
            keepers={
                "version": self.version,
                "config": target.config,
                "podIps": target.pod_ips,
                "installer": target.prepared.release.installer_sha256,
            },
            opts=self._after(after),
        ).hex

    def _drain_variables(self) -> dict[str, str]:
        return {
            "DRAIN": "yes" if self.upgrade.drain else "",
            "DRAIN_SECONDS": str(self.upgrade.drain_seconds),
            "DELETE_BARE_PODS": "yes" if self.upgrade.delete_bare_pods else "",
        }

    def _step(self, name: str, seconds: int, *parts: str) -> Step:
        return Step(name, seconds=seconds, parts=parts, creates=False, updatable=True)

    def _after(self, resources: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(
            self.opts, pulumi.ResourceOptions(depends_on=list(resources))
        )
