"""Resources that are made but do not become healthy, and replacement in spite of it."""

from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

sick = VARIANT in ("sick", "still sick")
sickness = {"unhealthy": True} if sick else {}
first = Thing("first", value="1", key="k")
a = Thing("a", value="1", key="k", **sickness, opts=Options(depends_on=[first]))
b = Thing("b", value=a.serial.apply(str), key="k")
if VARIANT != "sick":
    c = Thing(
        "c",
        value=VARIANT,
        key="k",
        **sickness,
        opts=Options(depends_on=[first], replace_on_changes=["#initerror"]),
    )
