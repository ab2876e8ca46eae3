"""What went with its machine and is not made anew is forgotten, before what it needed goes."""

from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

fail = "create" if VARIANT == "failing" else None
machine = Thing("machine", key=VARIANT, fail=fail, opts=Options(delete_before_replace=True))
if VARIANT != "fewer":
    home = Thing("home", key="k")
    Thing("guest", key=machine.id, value=home.id)
