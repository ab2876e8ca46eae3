"""What the scenarios' programs are made of."""

import os
from typing import Any

import pulumi
from pulumi import ResourceOptions as Options

VARIANT = os.environ.get("VARIANT", "")
DB = os.environ.get("PYP_DB", "")
VERSION = Options(version="1.0.0")


class Thing(pulumi.CustomResource):
    serial: pulumi.Output[int]
    token: pulumi.Output[str]
    value: pulumi.Output[str]
    key: pulumi.Output[str]
    color: pulumi.Output[str]

    def __init__(self, name: str, opts: Options | None = None, **properties: Any) -> None:
        outputs = dict.fromkeys(("serial", "token", "value", "key", "color"))
        super().__init__(
            "pyp:index:Thing", name, {**outputs, **properties}, Options.merge(VERSION, opts)
        )


class Other(pulumi.CustomResource):
    def __init__(self, name: str, opts: Options | None = None, **properties: Any) -> None:
        super().__init__("pyp:index:Other", name, properties, Options.merge(VERSION, opts))


class Provider(pulumi.ProviderResource):
    def __init__(self, name: str, opts: Options | None = None, **settings: Any) -> None:
        super().__init__("pyp", name, settings, Options.merge(VERSION, opts))


class Component(pulumi.ComponentResource):
    def __init__(
        self, name: str, opts: Options | None = None, props: dict[str, Any] | None = None
    ) -> None:
        super().__init__("my:mod:Component", name, props or {}, opts)


def read_thing(name: str, id_: pulumi.Input[str]) -> Thing:
    """A Thing that another stack manages."""
    return Thing(name, Options(id=id_))


def lookup(x: Any) -> dict[str, Any]:
    """A function of the provider."""
    options = pulumi.InvokeOptions(version="1.0.0")
    return pulumi.runtime.invoke("pyp:index:lookup", {"x": x}, options).value
