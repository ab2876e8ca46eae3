"""Resources that are made up once and live in the state alone, as random and tls have them.

They follow what Pulumi's Terraform bridge does with those providers: defaults show in the state,
what is generated is unknown in previews, a change of any input means a new resource, and the
state carries the version of its schema.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

from pulumi.runtime.proto import provider_pb2
from typing_extensions import override

from lab.engine.values import UNKNOWN, Properties, Value, has_unknown, reveal, secret
from lab.plugins import diff, shapes
from lab.plugins.resource import Operation, Resource


class Generated(Resource):
    """Defaults, names of generated outputs (True where secret), version of the state's schema."""

    defaults: Mapping[str, Value] = MappingProxyType({})
    generated: Mapping[str, bool] = MappingProxyType({})
    schema_version: int = 0

    @abstractmethod
    async def generate(self, inputs: Properties) -> tuple[str, dict[str, str]]:
        """(id, generated outputs) of inputs without secret marks. Raises ``RefusedError``."""

    @abstractmethod
    def rules(self, inputs: Properties) -> list[shapes.Problem]:
        """What is wrong with known inputs of the right types, defaults filled in."""

    def complete(self, inputs: Properties) -> Properties:
        """The inputs with defaults where nothing was given."""
        return {**self.defaults, **{k: v for k, v in inputs.items() if v is not None}}

    def check(self, inputs: Properties) -> tuple[Properties, list[shapes.Problem]]:
        inputs, problems = super().check(inputs)
        if not problems and not has_unknown(inputs):
            problems = self.rules(self.complete(reveal(inputs)))
        return inputs, problems

    @override
    def replaces(self, name: str) -> bool:
        return True

    def diff(self, old_inputs: Properties, inputs: Properties) -> provider_pb2.DiffResponse:
        """Compared with defaults filled in: writing a default down changes nothing."""
        old, new = self.complete(reveal(old_inputs)), self.complete(reveal(inputs))
        return diff.response(old, new, self.replaces)

    def preview_create(self, inputs: Properties) -> Properties:
        return self._state(inputs, dict.fromkeys(self.generated, UNKNOWN))

    @override
    async def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        id_, outputs = await self.generate(self.complete(reveal(inputs)))
        return id_, self._state(inputs, outputs)

    def preview_update(self, state: Properties, inputs: Properties) -> Properties:
        """Reached when inputs differ in their secret marks alone: what was generated stays."""
        return self._state(inputs, reveal({key: state[key] for key in self.generated}))

    @override
    async def update(
        self,
        operation: Operation,
        state: Properties,
        inputs: Properties,
    ) -> Properties:
        return self.preview_update(state, inputs)

    @override
    async def delete(self, operation: Operation, state: Properties) -> None:
        """Nothing of it is outside the state."""

    def _state(self, inputs: Properties, outputs: Mapping[str, Value]) -> Properties:
        marked = {k: secret(v) if self.generated[k] else v for k, v in outputs.items()}
        state = {**self.complete(inputs), **marked}
        if self.schema_version:
            state["__meta"] = json.dumps(
                {"schema_version": str(self.schema_version)}, separators=(",", ":")
            )
        return state
