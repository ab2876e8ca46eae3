"""What k3s asks of a machine, and below what it cannot work at all.

Sources: https://docs.k3s.io/installation/requirements#hardware (2 GiB for a server, 512 MiB for an
agent) and https://docs.k3s.io/reference/resource-profiling (what each takes before any pod runs).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from components.groups import Role

# What is done about a machine with less than is asked for.
Requirements = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """MiB, as machines are sold: firmware and kernel keep up to an eighth of it.

    `asked` is k3s's own figure, `least` what it does not start with.
    """

    asked: int
    least: int

    def too_little(self, found: int) -> int | None:
        """`asked` or `least`, whichever `found` is below; None where it is enough."""
        return next((mib for mib in (self.least, self.asked) if found < usable(mib)), None)


MEMORY: Final[Mapping[Role, Memory]] = {
    "server": Memory(asked=2048, least=1024),
    "agent": Memory(asked=512, least=256),
}
# GB (10^9 bytes) as disks are sold: partitions and the file system keep up to a tenth of it.
DISK_ASKED: Final = 20
# MiB that must be free when a release is brought: its files twice, and its images unpacked.
DISK_LEAST_FREE: Final = 2048


def usable(mib: int) -> int:
    """What a machine that is sold with so many MiB must show at least."""
    return mib * 7 // 8


def variables(role: Role, chosen: Requirements) -> dict[str, str]:
    """What requirements.sh needs."""
    memory = MEMORY[role]
    return {
        "REQUIREMENTS": chosen,
        "MEMORY_ASKED": str(memory.asked),
        "MEMORY_LEAST": str(memory.least),
        "DISK_ASKED": str(DISK_ASKED),
        "DISK_LEAST_FREE": str(DISK_LEAST_FREE),
    }
