"""The whole program, recorded."""

import runpy
from collections.abc import Mapping

from tests.unit.recorder import OPERATOR_KEY, Recording, record
from tests.unit.stackfiles import ROOT, config_of

# What is registered of each node over SSH, beside what its platform needs.
CHANGES = ("drain", "change", "uncordon")
STEPS = ("prepare", "leaving", *CHANGES, "install", "registration")


def run_dev(
    overrides: Mapping[str, object] | None = None, last: Mapping[str, object] | None = None
) -> Recording:
    """`__main__.py` with the settings of `Pulumi.dev.yaml`, some of them other.

    `last` are the outputs of an earlier `up`.
    """

    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    return record(program, config_of("dev", overrides), last=last)


def run_stack(stack: str, overrides: Mapping[str, object] | None = None) -> Recording:
    """`__main__.py` with the settings of `Pulumi.<stack>.yaml`, some of them other.

    A stack with existing hosts is given an operator's key, which it needs.
    """

    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    config = config_of(stack, overrides)
    if "k3s:existing" in config:
        config = {OPERATOR_KEY: "PRIVATE given", **config}
    return record(program, config, stack=stack)
