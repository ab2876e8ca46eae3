"""What went with its machine and is wanted no more stays as long as something refers to it."""

from pulumi import ResourceOptions as Options
from things import VARIANT, Thing

KEY = "k" if VARIANT == "first" else "k2"

machine = Thing("machine", key=KEY, opts=Options(delete_before_replace=True))
guests = []
if VARIANT == "first":
    guests = [Thing("guest", key="k", opts=Options(deleted_with=machine))]
number = Thing("number", key=KEY, fail="delete", opts=Options(depends_on=guests))
