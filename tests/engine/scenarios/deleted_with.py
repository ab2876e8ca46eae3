"""deletedWith: what goes with its host is not deleted by itself, and is replaced with it."""

from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

KEY = "k" if VARIANT == "first" else "k2"
first = {"delete_before_replace": True}

host = Thing("host", key=KEY)
guest = Thing("guest", key="k", opts=Options(deleted_with=host))
strict = Thing("strict", key=KEY, opts=Options(**first))
strict_guest = Thing("strict-guest", key="k", opts=Options(deleted_with=strict, **first))
if VARIANT != "fewer":
    going = Thing("going", key="k")
    going_guest = Thing("going-guest", key="k", opts=Options(deleted_with=going))
