"""Resources that are made but do not become healthy, and replacement in spite of it."""

from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

sick = VARIANT in ("sick", "still sick")
a = Thing("a", value="1", key="k", **({"unhealthy": True} if sick else {}))
b = Thing("b", value=a.serial.apply(str), key="k")
apart = Thing("apart", value=VARIANT, key="k", opts=Options(replace_on_changes=["#initerror"]))
