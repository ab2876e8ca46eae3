"""The engine's own provider, package ``pulumi``: what a stack's last run left, by StackReference.

Source: ``pkg/resource/deploy/builtins.go``; names of stacks: ``pkg/backend/diy/store.go``.
"""

from collections.abc import Callable
from typing import Any

from pulumi.runtime.proto import provider_pb2 as pb

from lab.engine import backend, resources, urns
from lab.engine.backend import ORGANIZATION, StackFiles
from lab.engine.errors import USE_THE_CLI, EngineError, refuse
from lab.engine.outputs import of_resources
from lab.engine.plugins import Plugin
from lab.engine.state import State, opener
from lab.engine.values import Properties, from_struct, reveal, secret_strings, to_struct

PACKAGE = "pulumi"
_STACK_REFERENCE = "pulumi:pulumi:StackReference"
_READ_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"


class Builtin(Plugin):
    """Answers in the place of a plugin, within the engine."""

    takes_secrets = takes_references = takes_previews = negotiated = True

    def __init__(self, state: State, project: str, hide: Callable[[set[str]], None]) -> None:
        """``hide`` is told the secrets that are read, as they must not be shown."""
        self.package, self._state, self._project, self._hide = PACKAGE, state, project, hide

    def call(self, method: str, request: Any) -> Any:
        """Answer ``method``. Raises ``EngineError`` for what this engine does not have."""
        if method == "CheckConfig":
            return pb.CheckResponse(inputs=request.news)
        if method == "DiffConfig":
            return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)
        if method == "Configure":
            return pb.ConfigureResponse()
        if method == "Read" and request.type == _STACK_REFERENCE:
            found = self._stack_reference(from_struct(request.properties))
            return pb.ReadResponse(id=request.id, properties=to_struct(found))
        if method == "Invoke" and request.tok == _READ_STACK_OUTPUTS:
            found = self._stack_reference(from_struct(request.args))
            fields: dict[str, Any] = {"return": to_struct(found)}  # a keyword of Python's
            return pb.InvokeResponse(**fields)
        what = request.tok if method == "Invoke" else f"{request.type} ({method})"
        raise refuse(what, USE_THE_CLI)

    def cancel(self) -> None:
        """Nothing it does takes time."""

    def close(self) -> None:
        """Nothing runs."""

    def _stack_reference(self, inputs: Properties) -> Properties:
        name = reveal(inputs.get("name"))
        found = self._outputs(name)
        self._hide(secret_strings(found))
        return {
            "name": name,
            "outputs": found,
            "secretOutputNames": sorted(k for k, v in found.items() if reveal(v) != v),
        }

    def _outputs(self, name: str) -> Properties:
        """The outputs that a stack's last run recorded; none where it has not been up."""
        files = self._files(name)
        if files == self._state.files:
            return of_resources(self._state.resources())
        if not files.checkpoint.exists():
            raise EngineError(f'unknown stack "{name}"')
        deployment = backend.read_checkpoint(files)[0] or {}
        crypter = opener(deployment, self._state.crypter)
        stack = [
            resources.from_json(document, crypter)
            for document in deployment.get("resources") or []
            if document["type"] == urns.STACK_TYPE
        ]
        return of_resources(stack)

    def _files(self, name: str) -> StackFiles:
        """Of ``<stack>`` or ``organization/<stack>`` or ``organization/<project>/<stack>``."""
        *organization, stack = name.split("/")
        project = organization.pop() if len(organization) > 1 else self._project
        if organization not in ([], [ORGANIZATION]):
            raise EngineError(
                f"stack reference {name} — a file backend's only organization is {ORGANIZATION!r} "
                f"— write {ORGANIZATION}/<project>/<stack>"
            )
        return StackFiles(project, stack, self._state.files.root)
