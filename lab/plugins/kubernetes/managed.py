"""What the plugin's resource types are asked, with the cluster that they are on."""

import base64
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NoReturn

from pulumi.runtime.proto import provider_pb2

from lab.engine.values import Properties, Value, secret_strings
from lab.plugins.kubernetes.api import Api, UnreachableError
from lab.plugins.kubernetes.settings import Settings
from lab.plugins.refused import RefusedError
from lab.plugins.resource import Operation
from lab.plugins.shapes import Problem

_UNREACHABLE = "configured Kubernetes cluster is unreachable: "
DELETE_UNREACHABLE = (
    "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the "
    'operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)


@dataclass
class Cluster:
    """The cluster that a provider is configured for; ``why`` tells why it cannot be reached."""

    settings: Settings
    api: Api | None = None
    why: str = ""

    @classmethod
    async def connect(cls, settings: Settings) -> "Cluster":
        """Ask the server once, as the real provider does when it is configured."""
        if settings.access is None:
            return cls(settings, None, settings.why)
        try:
            api = Api(settings.access)
            await api.request("GET", "/version")
        except UnreachableError as error:
            return cls(settings, None, str(error))
        return cls(settings, api)

    def reached(self) -> Api:
        """The API. Raises ``RefusedError`` where there is none."""
        if self.api is None:
            raise RefusedError(_UNREACHABLE + self.why)
        return self.api

    def gone(self, doing: str) -> bool:
        """Whether what is on the cluster counts as gone with it (deleteUnreachable)."""
        if self.api is not None:
            return False
        if self.settings["deleteUnreachable"]:
            return True
        raise RefusedError(f"{doing}: {_UNREACHABLE}{self.why}. {DELETE_UNREACHABLE}")


@dataclass(frozen=True)
class Call:
    """One call of the engine. ``timeout`` is customTimeouts', seconds, 0 where there is none."""

    operation: Operation
    cluster: Cluster
    timeout: float = 0
    seed: bytes = b""
    ignored: list[str] = field(default_factory=list)

    @property
    def urn(self) -> str:
        return self.operation.urn


class Managed(ABC):
    """A resource type on a cluster. Values are as in ``lab.engine.values``, secrets marked."""

    @abstractmethod
    async def check(
        self, call: Call, olds: Properties, news: Properties
    ) -> tuple[Properties, list[Problem]]:
        """The inputs with defaults and a name, and all that is wrong with them."""

    @abstractmethod
    async def diff(
        self, call: Call, state: Properties, inputs: Properties
    ) -> provider_pb2.DiffResponse:
        """What an update or replacement would be about."""

    @abstractmethod
    async def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Make it and give (id, state)."""

    @abstractmethod
    async def preview(self, call: Call, state: Properties | None, inputs: Properties) -> Properties:
        """The state after a creation (``state`` is None) or an update, as far as can be known."""

    @abstractmethod
    async def read(
        self, call: Call, id_: str, state: Properties, inputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """(state, inputs) as they are now, None where there is nothing any more."""

    @abstractmethod
    async def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        """Change it and give the new state."""

    @abstractmethod
    async def delete(self, call: Call, id_: str, state: Properties) -> None:
        """Take it away."""


def scrubbed(text: str, *secrets: Value) -> str:
    """A text without the secrets in the values, in the forms in which they come back."""
    strings = {string for value in secrets for string in secret_strings(value) if string}
    for plain in sorted(strings, key=len, reverse=True):
        quoted = json.dumps(plain)[1:-1]
        for form in (plain, quoted, base64.b64encode(plain.encode()).decode()):
            text = text.replace(form, "[secret]")
    return text


def refuse(text: str, *secrets: Value, cause: Exception | None = None) -> NoReturn:
    """Raise ``RefusedError`` with a text in which no secret is left."""
    raise RefusedError(scrubbed(text, *secrets)) from cause
