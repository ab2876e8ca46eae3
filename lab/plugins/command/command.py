"""The course of a command resource, the same here and over SSH."""

from abc import abstractmethod

from lab.engine.values import Properties, reveal
from lab.plugins.command.inferred import Inferred
from lab.plugins.command.output import new_id
from lab.plugins.resource import Operation


class Command(Inferred):
    """Runs ``create``, ``update`` (else ``create``) and ``delete``, each where it is given."""

    outputs = ("stdout", "stderr")

    @abstractmethod
    async def run(
        self, operation: Operation, command: str, inputs: Properties, state: Properties
    ) -> Properties:
        """Run a command and give the outputs; ``state`` has those of the one before."""

    async def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        id_ = new_id(operation.name)
        return id_, await self._run(operation, inputs, {}, "create")

    async def update(
        self, operation: Operation, state: Properties, inputs: Properties
    ) -> Properties:
        return await self._run(operation, inputs, state, "update", "create")

    async def delete(self, operation: Operation, state: Properties) -> None:
        await self._run(operation, state, state, "delete")

    async def _run(
        self, operation: Operation, inputs: Properties, state: Properties, *names: str
    ) -> Properties:
        """Run the first of the named commands that is given, and give the state after it."""
        plain = reveal(inputs)
        before = {name: reveal(state.get(name)) or "" for name in self.outputs}
        command = next((plain[name] for name in names if plain.get(name) is not None), None)
        if command is None:
            return {**inputs, **before}
        return {**inputs, **await self.run(operation, command, plain, before)}
