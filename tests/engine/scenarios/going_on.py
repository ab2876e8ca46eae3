"""--continue-on-error: what does not depend on the failure is still done."""

from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

a = Thing("a", value="1", key="k", **({"fail": "create"} if VARIANT == "failing" else {}))
b = Thing("b", value=a.serial.apply(str), key="k")
c = Thing("c", value="1", key="k", opts=Options(depends_on=[b]))
d = Thing("d", value="1", key="k")
if VARIANT == "undeletable":
    e = Thing("e", value="1", key="k", fail="delete")
    f = Thing("f", value=e.id, key="k")
    g = Thing("g", value="1", key="k")
