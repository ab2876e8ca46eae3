"""Explicit and default providers, provider settings from config, and unknown settings."""

import pulumi
from pulumi import ResourceOptions as Options
from things import VARIANT, Component, Provider, Thing

LATER = VARIANT in ("renamed", "moved", "configured", "unknown", "unknown changed")

p = Provider(
    "p2" if LATER else "p",
    region="r2" if LATER or VARIANT == "region" else "r1",
    debug="false" if VARIANT == "first" else "true",
    password=pulumi.Output.secret("a-provider-password"),
    opts=Options(aliases=[pulumi.Alias(name="p")]),
)
q = Provider("q", region="rq")
a = Thing("a", value="1", key="k", opts=Options(provider=p))
b = Thing("b", value=a.id, key="k", opts=Options(provider=q if VARIANT == "moved" else p))
outer = Component("outer", opts=Options(providers=[q]))
inherits = Thing("inherits", value="1", key="k", opts=Options(parent=outer))
inner = Component("inner", opts=Options(parent=outer))
deeper = Thing("deeper", value="x", key="k", opts=Options(parent=inner))
default = Thing("default", value="of the default provider", key="k")
if VARIANT.startswith("unknown"):
    u = Thing("u", value="1", key="k" if VARIANT == "unknown" else "kk")
    late = Provider("late", region=u.id)
    f = Thing("f", value="1", key="k", opts=Options(provider=late))
    pulumi.export("f", f.serial)
