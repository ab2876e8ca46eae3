"""What pulumi-go-provider's ``infer`` makes of a resource that says no more than its types.

Inputs show in the state as they are, marks included. An output is unknown in the preview of a
creation, and in that of an update when an input that the state knows has changed.
"""

from lab.engine.values import UNKNOWN, Properties, has_unknown
from lab.plugins.diff import same
from lab.plugins.resource import Resource


class Inferred(Resource):
    """A resource with ``triggers`` that replace it, and outputs that come of all its inputs."""

    outputs: tuple[str, ...] = ()

    def replaces(self, name: str) -> bool:
        return name == "triggers"

    def preview_create(self, inputs: Properties) -> Properties:
        return {**inputs, **dict.fromkeys(self.outputs, UNKNOWN)}

    def preview_update(self, state: Properties, inputs: Properties) -> Properties:
        stale = any(
            has_unknown(inputs.get(name))
            or (name in state and not same(state[name], inputs.get(name)))
            for name in self.inputs.properties
        )
        if stale:
            return self.preview_create(inputs)
        return {**inputs, **{name: state[name] for name in self.outputs if name in state}}
