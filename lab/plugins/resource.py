"""What a resource type of a plugin is made of."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from pulumi.runtime.proto import provider_pb2

from lab.engine.values import Properties
from lab.plugins import diff, shapes
from lab.plugins.engine_log import EngineLog


@dataclass(frozen=True)
class Operation:
    """One call of the engine: the resource it is for, and where its messages go."""

    urn: str
    log: EngineLog

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]

    async def status(self, message: str) -> None:
        """Show a passing line of progress."""
        await self.log.status(self.urn, message)


class Resource(ABC):
    """A resource type. Values are as in ``lab.engine.values``, secrets marked.

    Reading back is not among its calls: none of the resources here can be seen from outside, so
    a refresh keeps what is in the state, as it does with the real providers.
    """

    def __init__(self, inputs: shapes.Object) -> None:
        self.inputs = inputs

    def check(self, inputs: Properties) -> tuple[Properties, list[shapes.Problem]]:
        """The inputs with defaults filled in, and all that is wrong with them."""
        return inputs, list(shapes.check(self.inputs, "", inputs))

    @abstractmethod
    def replaces(self, name: str) -> bool:
        """Whether a change of this input means a new resource."""

    def diff(self, old_inputs: Properties, inputs: Properties) -> provider_pb2.DiffResponse:
        """What an update or replacement would be about."""
        return diff.response(old_inputs, inputs, self.replaces)

    @abstractmethod
    def preview_create(self, inputs: Properties) -> Properties:
        """The state that ``create`` would give, as far as it can be known."""

    @abstractmethod
    async def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        """Make it and give (id, state). Raises ``RefusedError``."""

    @abstractmethod
    def preview_update(self, state: Properties, inputs: Properties) -> Properties:
        """The state that ``update`` would give, as far as it can be known."""

    @abstractmethod
    async def update(
        self, operation: Operation, state: Properties, inputs: Properties
    ) -> Properties:
        """Change it and give the new state. Raises ``RefusedError``."""

    @abstractmethod
    async def delete(self, operation: Operation, state: Properties) -> None:
        """Take it away. Raises ``RefusedError``."""
