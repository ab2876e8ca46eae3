"""Replacement in both orders, and what it does to those that depend on it."""

import pulumi
from pulumi import ResourceOptions as Options
from things import VARIANT, Component, Thing

KEY = {"first": "k1", "updated": "k1", "replaced": "k2", "marked": "k2"}.get(VARIANT, "k3")
DELETE_FIRST = VARIANT in ("marked", "replaced first", "fewer")

c = Component("c", props={"in": KEY})
a = Thing(
    "a",
    value="v1" if VARIANT == "first" else "v2",
    key=KEY,
    dbr=DELETE_FIRST,
    opts=Options(parent=c),
)
updated = Thing("updated", value=a.serial.apply(lambda n: f"s{n}"), key="fixed")
replaced = Thing("replaced", value="x", key=a.id)
after = Thing("after", value="x", key="e", opts=Options(depends_on=[replaced]))
nested = Thing("nested", value=replaced.token, key="f", nested={"list": [a.serial, {"y": a.token}]})
if VARIANT != "fewer":
    last = Thing("last", value=nested.color, key="g", opts=Options(depends_on=[c]))
c.register_outputs({"a": a.id})
pulumi.export("nested", nested.value)
