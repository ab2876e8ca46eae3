"""Operations, checks and programs that fail, and what is left behind."""

import pulumi
from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

FAILING = {"create fails": "create", "update fails": "update", "replace fails": "create"}
BAD = {"check fails": "bad", "create fails": "1", "first": "1"}

a = Thing("a", value="1", key="k")
fail = {"fail": FAILING[VARIANT]} if VARIANT in FAILING else {}
key = "other" if VARIANT in ("replace fails", "replaced") else a.id
b = Thing("b", value=BAD.get(VARIANT, VARIANT), key=key, **fail)
c = Thing("c", value=b.serial.apply(str), key="k", opts=Options(depends_on=[b]))
if VARIANT == "undeletable":
    d = Thing("d", value="1", key="k", fail="delete")
    e = Thing("e", value=d.id, key="k")
if VARIANT == "exception":
    raise ValueError("boom")
if VARIANT == "duplicate":
    Thing("a", value="1", key="k")
pulumi.export("c", c.id)
