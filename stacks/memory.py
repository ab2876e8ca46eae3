"""What the stack's last `up` left, and what it therefore may not be asked for."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.k3s import versions
from components.problems import SettingsError
from stacks.model import StackSettings

# The outputs of a StackReference, at once and with nothing of it in the state.
_READ = "pulumi:pulumi:readStackOutputs"
_VERSION = "k3sVersion"


def check(settings: StackSettings) -> None:
    """Hold the settings against what stands. Raises pulumi.RunError, which ends in exit code 1."""
    last = _outputs().get(_VERSION)
    found = list(versions.problems(last, settings.k3s.version)) if last else []
    if found:
        raise pulumi.RunError(f"stack {pulumi.get_stack()}: {SettingsError(found)}")


def _outputs() -> Mapping[str, Any]:
    """Those of the last `up` that was whole; none before there was one."""
    names = (pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack())
    found = pulumi.runtime.invoke(_READ, {"name": "/".join(names)}).value
    outputs: Mapping[str, Any] = found["outputs"]
    return outputs
