"""What AWS would answer to a registration: the outputs that the program uses."""

from collections.abc import Mapping
from typing import Any


def outputs(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs beside the inputs, by the resource's type; addresses follow from its name."""
    return {}
