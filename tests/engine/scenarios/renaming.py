"""Aliases: names, types and parents that change without anything being made anew."""

import pulumi
from pulumi import ResourceOptions as Options
from things import VARIANT, Component, Other, Thing

KEEP = VARIANT != "forgotten"
MOVED = VARIANT in ("moved", "retyped", "forgotten")
name = "c" if VARIANT == "first" else "new-c"

c = Component(name, opts=Options(aliases=[pulumi.Alias(name="c")]))
kid = Thing(f"{name}-kid", value="1", key="k", opts=Options(parent=c))
grandkid = Thing("grandkid", value=kid.id, key="k", opts=Options(parent=kid))
a = Thing(
    "a" if VARIANT == "first" else "a2",
    value="1",
    key="k",
    opts=Options(aliases=[pulumi.Alias(name="a")] if KEEP else []),
)
b = Thing(
    "b",
    value=a.id,
    key="k",
    opts=Options(
        parent=c if MOVED else None,
        aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)] if KEEP else [],
        depends_on=[a],
    ),
)
if VARIANT in ("retyped", "forgotten"):
    t = Other(
        "t",
        value=b.id,
        key="k",
        opts=Options(aliases=[pulumi.Alias(type_="pyp:index:Thing")] if KEEP else []),
    )
else:
    t = Thing("t", value=b.id, key="k")
u = Thing(
    "u",
    value="1",
    key="k",
    opts=Options(aliases=["urn:pulumi:dev::scenario::pyp:index:Thing::never-there"]),
)
